import type { DaemonView } from "../wire/doctor.ts";
import { asFailure } from "./failure.ts";
import type { Cli } from "./session.ts";

/** The daemon as the checks see it: one that can't be talked to is something that they find, and no failure of doctor. */
export async function daemonView(cli: Cli): Promise<DaemonView> {
  try {
    const daemon = await cli.runningDaemon();
    if (!daemon) return { state: "none" };
    const [status, services, names] = await Promise.all([
      daemon.ask("look"),
      daemon.ask("services"),
      daemon.ask("names"),
    ]);
    const captured = status.clusters.filter(({ mode }) => mode === "capture").map(({ cluster }) =>
      cluster.context
    );
    const named = services.filter(({ cluster }) => captured.includes(cluster));
    return { state: "running", status, namespaces: named.map(({ namespace }) => namespace), names };
  } catch (error) {
    cli.signal.throwIfAborted();
    const { message, hint } = asFailure(error);
    return { state: "unusable", why: message, remedy: hint ?? "Run: pmz down" };
  }
}
