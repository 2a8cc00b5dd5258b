import { pollUntil } from "../async/poll_until.ts";
import { FileLock, keepSecrets, leaveSession } from "../ffi/proc/process.ts";
import { type Received, SeqPacket, SeqPacketListener } from "../ffi/sockets/seqpacket.ts";
import type { HelperGrant, HelperReady } from "../wire/helper.ts";
import { prepareFolder } from "./folder.ts";
import { type HelperAssets, Laptop } from "./laptop.ts";
import { HelperLog } from "./log.ts";
import { refusalOf, Session } from "./session.ts";
import { writeState } from "./state.ts";

export type { HelperAssets } from "./laptop.ts";

/** How long a helper waits for its daemon, in milliseconds. */
const PATIENCE = 15_000;
/** How long the janitor of a killed helper may take. */
const JANITOR = 10_000;

export interface HelperOptions {
  /** Whose processes are touched: a folder of cgroup v2; by default the machine's root. */
  readonly cgroup?: string;
  /** Told once, when the socket is there, or why it won't be. */
  readonly onReady?: (ready: HelperReady) => void;
  /** Instead of SIGTERM and SIGINT. */
  readonly signal?: AbortSignal;
}

/**
 * The root helper of one user: serves one daemon, and ends with it. It ends too when no daemon comes in 15 s.
 * Nothing of it is left then: device, routes, hooks go with the process, rules and connections by the janitor.
 * @throws what keeps it from starting; nothing is left then either.
 */
export async function runHelper(
  grant: HelperGrant,
  assets: HelperAssets,
  options: HelperOptions = {},
): Promise<void> {
  const onReady = options.onReady ?? (() => {});
  try {
    await serve(grant, assets, options, onReady);
  } catch (error) {
    onReady({ ready: false, error: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

async function serve(
  grant: HelperGrant,
  assets: HelperAssets,
  options: HelperOptions,
  onReady: (ready: HelperReady) => void,
): Promise<void> {
  leaveSession();
  keepSecrets();
  const folder = prepareFolder(grant.uid);
  using lock = FileLock.take(folder.lock);
  if (!lock) throw new Error(`another helper of uid ${grant.uid} is running`);
  removeIfThere(folder.state); // of one that was killed: its process id may be anybody's by now
  // Held by the janitor too: what one takes back must not be what the next helper has made.
  using _cleaning = await lockOfJanitors(folder.cleaning);
  using log = new HelperLog(folder.log);
  await using laptop = await Laptop.create(grant, assets, options.cgroup);
  log.say("started", { pid: Deno.pid, address: laptop.device.own4.text, device: laptop.device.name });
  removeIfThere(folder.socket);
  using listener = SeqPacketListener.listen(folder.socket, { uid: grant.uid, mode: 0o600 });
  using end = endOf(options.signal);
  try {
    const tell = (daemon: boolean) =>
      writeState(folder.state, { pid: Deno.pid, grant, address: laptop.device.own4.text, daemon });
    tell(false);
    onReady({ ready: true, pid: Deno.pid, socket: folder.socket, address: laptop.device.own4.text });
    await new Door(listener, laptop, grant, log, tell).open(end.signal);
  } finally {
    for (const path of [folder.socket, folder.state]) removeIfThere(path);
    log.say("ended");
  }
}

/** Waits until no janitor of this user's is at work. */
async function lockOfJanitors(path: string): Promise<FileLock> {
  const lock = await pollUntil(() => FileLock.take(path, { inherited: true }), { timeoutMs: JANITOR });
  if (!lock) throw new Error(`what cleans up after an older helper doesn't end: its lock is ${path}`);
  return lock;
}

/** Lets one daemon in. */
class Door {
  readonly #listener: SeqPacketListener;
  readonly #laptop: Laptop;
  readonly #grant: HelperGrant;
  readonly #log: HelperLog;
  readonly #tell: (daemon: boolean) => void;
  #daemon: SeqPacket | undefined;

  constructor(
    listener: SeqPacketListener,
    laptop: Laptop,
    grant: HelperGrant,
    log: HelperLog,
    tell: (daemon: boolean) => void,
  ) {
    this.#listener = listener;
    this.#laptop = laptop;
    this.#grant = grant;
    this.#log = log;
    this.#tell = tell;
  }

  /** Settles when there's no more to do: the daemon is gone, none came, or the signal aborted. */
  async open(signal: AbortSignal): Promise<void> {
    const patience = setTimeout(() => this.#close("no daemon came"), PATIENCE);
    const stop = () => this.#close("stopped");
    signal.addEventListener("abort", stop);
    try {
      const sessions: Promise<void>[] = [];
      for (let peer; !signal.aborted && (peer = await this.#listener.accept());) {
        if (!this.#admits(peer)) continue;
        clearTimeout(patience);
        this.#daemon = peer;
        this.#tell(true);
        this.#log.say("daemon connected", { pid: peer.peer.pid });
        sessions.push(this.#serve(peer).finally(() => this.#close("the daemon is gone")));
      }
      await Promise.all(sessions);
    } finally {
      clearTimeout(patience);
      signal.removeEventListener("abort", stop);
      this.#daemon?.close();
    }
  }

  #admits(peer: SeqPacket): boolean {
    const { uid } = peer.peer;
    if (uid === this.#grant.uid && !this.#daemon) return true;
    const error = this.#daemon ? "a daemon is connected already" : `this helper is not for uid ${uid}`;
    this.#log.say("refused a connection", { uid });
    try {
      peer.send({ ok: false, code: "refused", error });
    } catch { /* who is refused need not listen */ }
    peer.close();
    return false;
  }

  async #serve(daemon: SeqPacket): Promise<void> {
    const session = new Session(this.#laptop, this.#grant);
    try {
      for (;;) {
        const received = await next(daemon);
        if (!received) return;
        const { answer, fds } = "bad" in received
          ? { answer: refusalOf(received.bad), fds: [] }
          : session.answer(received.message, received.fds);
        if ("ok" in answer && !answer.ok) {
          this.#log.say("refused", { code: answer.code, error: answer.error });
        }
        daemon.send(answer, fds);
      }
    } catch (error) {
      this.#log.say("the daemon doesn't read its answers", { error: String(error) });
    }
  }

  #close(why: string): void {
    this.#log.say("ending", { why });
    this.#listener.close();
    this.#daemon?.close();
  }
}

/** The next message; one that can't be read is answered, and not the end. */
async function next(daemon: SeqPacket): Promise<Received | { readonly bad: TypeError } | undefined> {
  try {
    return await daemon.receive();
  } catch (error) {
    if (error instanceof TypeError) return { bad: error };
    throw error;
  }
}

function endOf(given: AbortSignal | undefined): Disposable & { readonly signal: AbortSignal } {
  if (given) return { signal: given, [Symbol.dispose]: () => {} };
  const end = new AbortController();
  const stop = () => end.abort();
  const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
  for (const name of signals) Deno.addSignalListener(name, stop);
  return {
    signal: end.signal,
    [Symbol.dispose]: () => {
      for (const name of signals) Deno.removeSignalListener(name, stop);
    },
  };
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
