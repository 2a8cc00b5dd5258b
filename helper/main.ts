import { pollUntil } from "../async/poll_until.ts";
import { withTimeout } from "../async/timeout.ts";
import { FileLock, keepSecrets, leaveSession } from "../ffi/proc/process.ts";
import { SystemCallError } from "../ffi/libc.ts";
import { startOf } from "../ffi/proc/process_handle.ts";
import { accountFinder } from "../ffi/proc/subuids.ts";
import { closeDescriptor } from "../ffi/sockets/socket.ts";
import { type Received, SeqPacket, SeqPacketListener } from "../ffi/sockets/seqpacket.ts";
import type { HelperGrant, HelperReady, RefusalNews } from "../wire/helper.ts";
import type { Log } from "../wire/log.ts";
import { AccountWatch } from "./account_watch.ts";
import { prepareFolder } from "./folder.ts";
import { type HelperAssets, HostResources } from "./host_resources.ts";
import { endOfLog, helperLog } from "./log.ts";
import { NetworkReporter } from "./network_reporter.ts";
import { NetworkWatch } from "./network_watch.ts";
import { refusalOf } from "./request_error.ts";
import { HelperSession } from "./session.ts";
import { fits, sendAnswer } from "./send_answer.ts";
import { writeState } from "./state.ts";

export type { HelperAssets } from "./host_resources.ts";

/** A helper waits this long for its daemon, in milliseconds. */
const DAEMON_TIMEOUT_MS = 15_000;
/** The janitor of a helper that was killed may take this long, in milliseconds. */
const JANITOR_TIMEOUT_MS = 10_000;
/** One that is refused has this long to say something, in milliseconds. */
const REFUSED_MS = 1_000;

export interface HelperOptions {
  /** The folder of cgroup v2 whose processes are affected; the machine's root by default. */
  readonly cgroup?: string;
  /** Called once, when the socket is there or the helper can't start. */
  readonly onReady?: (ready: HelperReady) => void;
  /** Instead of SIGTERM and SIGINT. */
  readonly signal?: AbortSignal;
}

/**
 * The root helper of one user: serves one daemon and ends with it, or after 15 s without one. Nothing of it is left then: the
 * kernel removes device, routes and hooks with the process, the janitor removes rules and connections.
 * @throws the reason why it can't start; nothing is left then either
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
  removeIfThere(folder.state); // of a helper that was killed: its process id may be another program's by now
  // The janitor holds this lock too, so that it never takes back what the next helper has made.
  using _cleaning = await lockOfJanitors(folder.cleaning);
  using log = helperLog(folder.log);
  await using host = await HostResources.create(grant, assets, options.cgroup);
  await using watch = new NetworkWatch(host.rules, host, log);
  using _accounts = new AccountWatch({
    uids: host.uids,
    hasAccount: accountFinder(grant.uid),
    narrow: (uids) => {
      log("warn", "subordinate uids of the user are another account's now: they are let go", { uids });
      host.narrow(uids);
    },
  });
  const address = host.device.own4.text;
  log("info", "started", { pid: Deno.pid, address, device: host.device.name });
  removeIfThere(folder.socket);
  using listener = SeqPacketListener.listen(folder.socket, { uid: grant.uid, mode: 0o600 });
  using end = endOf(options.signal);
  try {
    const began = startOf(Deno.pid);
    const record = (daemon: boolean) => {
      try {
        writeState(folder.state, { pid: Deno.pid, began, grant, address, daemon });
      } catch (error) {
        // Without it another start can't end this helper, which ends with its daemon all the same.
        log("warn", "the state can't be written", { error: String(error) });
      }
    };
    record(false);
    onReady({ ready: true, pid: Deno.pid, socket: folder.socket, address });
    await new Acceptor(listener, host, watch, grant, log, record, () => endOfLog(folder.log)).serve(
      end.signal,
    );
  } finally {
    for (const path of [folder.socket, folder.state]) removeIfThere(path);
    log("info", "ended");
  }
}

/** Waits until no janitor of this user is at work. */
async function lockOfJanitors(path: string): Promise<FileLock> {
  const lock = await pollUntil(() => FileLock.take(path, { inherited: true }), {
    timeoutMs: JANITOR_TIMEOUT_MS,
  });
  if (!lock) throw new Error(`the janitor of an older helper doesn't end: its lock is ${path}`);
  return lock;
}

/** Accepts one daemon. */
class Acceptor {
  readonly #listener: SeqPacketListener;
  readonly #host: HostResources;
  readonly #watch: NetworkWatch;
  readonly #grant: HelperGrant;
  readonly #log: Log;
  readonly #record: (daemon: boolean) => void;
  readonly #readLog: () => string;
  #daemon: SeqPacket | undefined;

  constructor(
    listener: SeqPacketListener,
    host: HostResources,
    watch: NetworkWatch,
    grant: HelperGrant,
    log: Log,
    record: (daemon: boolean) => void,
    readLog: () => string,
  ) {
    this.#listener = listener;
    this.#host = host;
    this.#watch = watch;
    this.#grant = grant;
    this.#log = log;
    this.#record = record;
    this.#readLog = readLog;
  }

  /** Settles when the daemon is gone, none came, or the signal aborted. */
  async serve(signal: AbortSignal): Promise<void> {
    const timer = setTimeout(() => this.#close("no daemon came"), DAEMON_TIMEOUT_MS);
    const stop = () => this.#close("stopped");
    signal.addEventListener("abort", stop);
    try {
      const sessions: Promise<void>[] = [];
      for (let peer; !signal.aborted && (peer = await this.#listener.accept());) {
        if (!this.#admits(peer)) continue;
        clearTimeout(timer);
        this.#daemon = peer;
        this.#record(true);
        this.#log("info", "a daemon connected", { pid: peer.peer.pid });
        sessions.push(this.#answer(peer).finally(() => this.#close("the daemon is gone")));
      }
      await Promise.all(sessions);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      this.#daemon?.close();
    }
  }

  #admits(peer: SeqPacket): boolean {
    const { uid } = peer.peer;
    if (uid === this.#grant.uid && !this.#daemon) return true;
    const error = this.#daemon ? "a daemon is connected already" : `this helper is not for uid ${uid}`;
    this.#log("warn", "refused a connection", { uid });
    try {
      peer.send({ ok: false, code: "refused", error });
    } catch { /* the refused peer is gone already */ }
    void hangUp(peer);
    return false;
  }

  async #answer(daemon: SeqPacket): Promise<void> {
    await using session = new HelperSession(
      this.#host,
      this.#grant,
      {
        tell: (news) => isSent(daemon, news),
        failed: (error) => this.#log("warn", "refusals are not reported any more", { error: String(error) }),
      },
      () => this.#watch.repair(),
      this.#readLog,
    );
    const reporter = new NetworkReporter(session, this.#watch, (news) => daemon.send(news));
    this.#watch.onChange(() => reporter.changed());
    try {
      for (;;) {
        const received = await next(daemon);
        if (!received) return;
        const { answer: given, fds } = "bad" in received
          ? { answer: refusalOf(received.bad), fds: [] }
          : session.answer(received.message, received.fds);
        const answer = await given;
        if ("ok" in answer && !answer.ok) {
          this.#log("warn", "refused a request", { code: answer.code, error: answer.error });
        }
        await sendAnswer(daemon, answer, fds);
        fits(() => reporter.ownNetwork());
      }
    } catch (error) {
      this.#log("warn", "the daemon doesn't read its answers", { error: String(error) });
    }
  }

  #close(why: string): void {
    this.#log("info", "ending", { why });
    this.#listener.close();
    this.#daemon?.close();
  }
}

/** Closes a connection once its first message was read: what is unread then would take the answer with it. */
async function hangUp(peer: SeqPacket): Promise<void> {
  try {
    const received = await withTimeout(peer.receive(), REFUSED_MS);
    for (const fd of received?.fds ?? []) closeDescriptor(fd);
  } catch { /* it is silent, or says something else than a message */ }
  peer.close();
}

/** Sends news, unless the daemon doesn't read: it must not be without an answer for that. */
function isSent(daemon: SeqPacket, news: RefusalNews): boolean {
  try {
    daemon.send(news);
    return true;
  } catch (error) {
    if (error instanceof SystemCallError) return false; // if it is gone, the session ends by itself
    throw error;
  }
}

/** The next message. One that can't be read is answered too, and doesn't end the session. */
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
