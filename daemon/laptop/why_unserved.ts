import type { Unserved } from "../../dataplane/plane.ts";
import type { CapturedPorts, ServedPort } from "../../wire/helper.ts";

/** Why a Service's address doesn't take what programs send to a port; undefined where it should. */
export function whyUnserved(
  ports: CapturedPorts,
  port: number,
  protocol: ServedPort["protocol"],
): Unserved | undefined {
  if (ports === "any") return undefined;
  const here = ports.filter((one) => one.port === port);
  const found = here.find((one) => one.protocol === protocol);
  if (found?.served) return undefined;
  if (found) return { error: "destination_unavailable", details: "no ready endpoint" };
  const [other] = here;
  const details = other
    ? `the Service has port ${port} for ${other.protocol.toUpperCase()} only`
    : `the Service has no port ${port}`;
  return { error: "destination_not_found", details };
}
