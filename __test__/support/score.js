'use strict';

/** Prints one row of the scorecard, which `npm run scorecard` collects, and fails where the row does. */
function score(row, figure, limit, ok) {
  console.log(`SCORE ${JSON.stringify({ row, figure, limit, ok })}`);
  if (!ok) throw new Error(`${row}: ${figure} (limit: ${limit})`);
}

/** Whether the long forms were asked for. */
const long = process.env.REMOTE_AGENT_AUTH_LONG === '1';

module.exports = { score, long };
