/** HTTP/2 (RFC 9113) over any transport, for tunnels: streams that carry bytes both ways. */
export { Connection, type ConnectionEnd, type ConnectionOptions } from "./connection/connection.ts";
export {
  ConnectionClosed,
  ConnectionError,
  ConnectRefused,
  ErrorCode,
  errorName,
  StreamReset,
  TooManyStreams,
} from "./frames/errors.ts";
export { type Header, headerValue } from "./frames/header.ts";
export { AnswerFollower, type AnswerHost, SIDE_WINDOW } from "./follow/answer_follower.ts";
export { FRAME_COST } from "./follow/held_frames.ts";
export { FollowedState } from "./follow/followed_state.ts";
export { goAway, joined, windowSettings, windowUpdate } from "./follow/own_frames.ts";
export { LARGEST_TABLE, RequestFollower, type RequestHost } from "./follow/request_follower.ts";
export { type SideHost, SideTransport } from "./follow/side_transport.ts";
export { KeptConnection, type KeptConnectionOptions, PeerSilent } from "./kept/kept_connection.ts";
export { RedialDelay } from "./kept/redial_delay.ts";
export { LaneReceiver, LaneSender } from "./lanes/lanes.ts";
export { BufferPool } from "./frames/pool.ts";
export { forward } from "./relay/forward.ts";
export { DEFAULT_LIMITS, type Limits } from "./frames/limits.ts";
export { type BreakListener, relay, type RelayEnd } from "./relay/relay.ts";
export { decodeSettings, INITIAL_SETTINGS, type Settings } from "./frames/settings.ts";
export { Stream } from "./streams/stream.ts";
export type { StreamEnd } from "./streams/stream_state.ts";
