import type { Unserved } from "../../dataplane/plane.ts";
import type { CapturedPorts } from "../../wire/helper.ts";

/** Why a Service's address doesn't take TCP connections to a port; undefined where it should. */
export function whyUnserved(ports: CapturedPorts, port: number): Unserved | undefined {
  if (ports === "any") return undefined;
  const here = ports.filter((one) => one.port === port);
  const tcp = here.find(({ protocol }) => protocol === "tcp");
  if (tcp?.served) return undefined;
  if (tcp) return { error: "destination_unavailable", details: "no ready endpoint" };
  const details = here.length > 0
    ? `the Service has port ${port} for UDP only`
    : `the Service has no port ${port}`;
  return { error: "destination_not_found", details };
}
