/**
 * A tunnel that takes two port-forwards, since no protocol of theirs is cheap for both small messages and bulk uploads
 * (docs/decisions.md). Each is a lane: it begins with an opening that says which it is and of which tunnel, and carries that
 * tunnel's bytes from then on. When the agent has both it says so by one byte, on the main lane.
 */

/** "main" carries both directions, "bulk" the one from the laptop to the agent while much is sent (hbone/lanes/lanes.ts). */
export type Lane = "main" | "bulk";

export interface LaneOpening {
  readonly lane: Lane;
  /** Names the tunnel that a lane belongs to. It is random, so that no other peer can join a lane to it. */
  readonly tunnel: string;
}

const MAGIC = new TextEncoder().encode("pmz-lane");
/** Bytes of a tunnel's name. */
const NAME = 16;
/** Bytes of an opening: the magic, which lane, the tunnel. */
export const LANE_OPENING: number = MAGIC.length + 1 + NAME;
const LANES: readonly Lane[] = ["main", "bulk"];
/** The byte that gateway and relay send when they have both lanes. */
export const JOINED = 1;

/** Makes a name for a tunnel that can't be guessed. */
export function newTunnelName(): string {
  return crypto.getRandomValues(new Uint8Array(NAME)).toHex();
}

export function formatLaneOpening({ lane, tunnel }: LaneOpening): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(LANE_OPENING);
  bytes.set(MAGIC);
  bytes[MAGIC.length] = LANES.indexOf(lane);
  bytes.set(Uint8Array.fromHex(tunnel), MAGIC.length + 1);
  return bytes;
}

/** @returns undefined for bytes that aren't an opening */
export function parseLaneOpening(bytes: Uint8Array): LaneOpening | undefined {
  if (bytes.length !== LANE_OPENING || !MAGIC.every((byte, i) => bytes[i] === byte)) return undefined;
  const lane = LANES[bytes[MAGIC.length] ?? -1];
  return lane && { lane, tunnel: bytes.slice(MAGIC.length + 1).toHex() };
}
