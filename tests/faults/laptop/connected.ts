import assert from "node:assert/strict";
import { grantArguments, type HelperGrant } from "../../../wire/helper.ts";
import { type Hello, helloOf } from "../../../wire/hello.ts";
import { type Program, Room } from "./room.ts";

/** Whose daemon it is, and somebody else. Neither has to have an account. */
export const USER = 20_001;
export const OTHER = 20_002;

export const HELLO: Hello = helloOf("helper");

/** A laptop with a helper, and a daemon that has said hello and identified itself. */
export interface ConnectedLaptop extends AsyncDisposable {
  readonly room: Room;
  readonly helper: Program;
  readonly daemon: Program;
  readonly address: string;
  readonly device: string;
  readonly table: number;
}

export function grantFor(uid: number, grant: Partial<HelperGrant> = {}): string[] {
  return grantArguments({ uid, also: [], ranges: [], never: [], cap: 20_000, ...grant });
}

export async function connected(
  grant: Partial<HelperGrant> = {},
  options: { identify: boolean } = { identify: true },
): Promise<ConnectedLaptop> {
  await using stack = new AsyncDisposableStack();
  const room = stack.use(await Room.open());
  const helper = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(USER, grant));
  const ready = await helper.line();
  assert.equal(ready.ready, true, JSON.stringify(ready));
  const daemon = await daemonOf(room, USER);
  const { address, device, table } = await greet(daemon, options);
  const kept = stack.move();
  return { room, helper, daemon, address, device, table, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** A daemon of a user; at another's helper, to see what comes of it. */
export async function daemonOf(room: Room, uid: number, helperOf = uid): Promise<Program> {
  const daemon = room.start(uid, "fake_daemon.ts", String(helperOf));
  const { ready, failed } = await daemon.line();
  assert.equal(ready, true, String(failed));
  return daemon;
}

/** Says hello and identifies itself, as a daemon has to. */
export async function greet(
  daemon: Program,
  { identify } = { identify: true },
): Promise<{ address: string; device: string; table: number }> {
  const facts = await daemon.do<{ ok: boolean; address: string; device: string; table: number }>({
    do: "ask",
    request: { ask: "hello", hello: HELLO },
  });
  assert.equal(facts.ok, true, JSON.stringify(facts));
  if (identify) {
    assert.notEqual(await daemon.do<unknown>({ do: "identify", address: facts.address }), "connected");
  }
  return facts;
}
