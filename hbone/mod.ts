/** HTTP/2 (RFC 9113) over any transport, for tunnels: streams that carry bytes both ways. */
export { Connection, type ConnectionEnd, type ConnectionOptions } from "./connection.ts";
export {
  ConnectionClosed,
  ConnectionError,
  ErrorCode,
  errorName,
  StreamReset,
  TooManyStreams,
} from "./errors.ts";
export { type Header, headerValue } from "./header.ts";
export { LaneReceiver, LaneSender } from "./lanes.ts";
export { DEFAULT_LIMITS, type Limits } from "./limits.ts";
export { memoryPair } from "./memory_transport.ts";
export { relay, type RelayEnd } from "./relay.ts";
export type { Settings } from "./settings.ts";
export { Stream, type StreamEnd } from "./stream.ts";
