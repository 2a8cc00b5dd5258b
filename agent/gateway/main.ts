import { Api } from "../../kube/client/api.ts";
import { inClusterAccess } from "../../kube/config/in_cluster.ts";
import { parseRange, type Range } from "../../net/range.ts";
import { environment } from "../../wire/agent_environment.ts";
import { RELEASE } from "../../wire/version.ts";
import { runProcess } from "../process.ts";
import { runGateway } from "./gateway.ts";

/** The gateway as a container's process. */
export async function main(): Promise<void> {
  await runProcess("gateway", async ({ log, signal, ready }) => {
    using api = new Api(await inClusterAccess(), { userAgent: `pmz-gateway/${RELEASE}` });
    const ranges = parseRanges(Deno.env.get(environment.ranges) ?? "");
    await runGateway({ api, ranges, log, onReady: ready, signal });
  });
}

/** Ranges separated by commas. @throws {TypeError} that names the one that isn't valid. */
export function parseRanges(text: string): Range[] {
  return text.split(",").map((each) => each.trim()).filter((each) => each !== "").map((each) => {
    const range = parseRange(each);
    if (!range) {
      throw new TypeError(`"${each}" is not a valid range: expected CIDR notation, as in 10.0.0.0/16`);
    }
    return range;
  });
}
