import { failure } from "./failure.ts";
import { formatService, type LocalEnd, type ServiceName } from "./values.ts";

/** The addresses of a host; rejects where it has none. */
export type LookUp = (host: string) => Promise<unknown>;

/**
 * Makes sure that the host of LOCAL has an address: "http:9001" is the Service's port and the local one, the other way
 * round, and would be taken for a host named http.
 * @throws {CliFailure} `usage`
 */
export async function checkLocalHost(
  service: ServiceName,
  { host, local, port }: LocalEnd,
  lookUp: LookUp = systemLookUp,
): Promise<void> {
  if (host === "localhost" || host.includes(":") || /^[0-9.]+$/.test(host)) return;
  try {
    await lookUp(host);
  } catch (cause) {
    const asPort = port === undefined && !host.includes(".");
    throw failure(
      "usage",
      `${host} is not a valid host for LOCAL: it has no address`,
      asPort
        ? `LOCAL comes first: pmz intercept ${formatService(service)} ${local}:${host}`
        : `your program's port alone is enough: pmz intercept ${formatService(service)} ${local}`,
      cause,
    );
  }
}

async function systemLookUp(host: string): Promise<unknown> {
  const { lookup } = await import("node:dns/promises");
  return await lookup(host);
}
