// The packages of native files, which a checkout does not have. What is in them: binding.d.ts.
declare module 'remote-agent-auth-linux-x64-gnu';
declare module 'remote-agent-auth-linux-arm64-gnu';
declare module 'remote-agent-auth-linux-x64-musl';
declare module 'remote-agent-auth-linux-arm64-musl';
declare module 'remote-agent-auth-win32-x64-msvc';
declare module 'remote-agent-auth-darwin-arm64';
declare module 'remote-agent-auth-darwin-x64';
