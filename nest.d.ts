/** `remote-agent-auth/nest`: bearer tokens for NestJS 11, on Express or Fastify. docs/adapters.md is its page. */

import type { BearerAuthOptions, Guard } from './index';

export type NestBearerAuthOptions = BearerAuthOptions;

/** A guard: `app.useGlobalGuards(new BearerAuthGuard(options))`, or `@UseGuards(guard)`. Sets `req.auth`, or throws an HttpException. */
export class BearerAuthGuard {
  constructor(options: NestBearerAuthOptions);
  /** @param context Nest's ExecutionContext */
  canActivate(context: any): Promise<true>;
}

/** Of a controller or one of its methods: what its requests must have besides a token. It counts more than `Public`. */
export function Require(...guards: Guard[]): ClassDecorator & MethodDecorator;
/** Of a controller or one of its methods: no token is needed, and none is looked at. */
export function Public(): ClassDecorator & MethodDecorator;
/** Of a parameter: whom the request comes from (`BearerAuth`). The argument is the option `property`, where it is not `auth`. */
export function Auth(property?: string): ParameterDecorator;
