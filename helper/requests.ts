import { type Endpoint, type IpAddress, parseAddress, parseEndpoint } from "../net/address.ts";
import { type Hello, parseHello } from "../wire/hello.ts";
import type { CapturedPorts, ServedPort } from "../wire/helper.ts";

/** Limits of one request; 256 KiB hold less in any case. */
const MOST_ADDRESSES = 5_000;
const MOST_PORTS = 1_000;
const MOST_STAND_INS = 32;

/** A request that makes no sense. */
export class BadRequest extends Error {
  override name = "BadRequest";
}

/** A HelperRequest whose parts can't be wrong any more. */
export type ParsedRequest =
  | { readonly ask: "hello"; readonly hello: Hello }
  | { readonly ask: "listeners"; readonly family: 4 | 6 }
  | {
    readonly ask: "capture";
    readonly add: readonly { readonly address: IpAddress; readonly ports: CapturedPorts }[];
  }
  | { readonly ask: "release"; readonly addresses: readonly IpAddress[] }
  | {
    readonly ask: "names";
    readonly standIns: readonly { readonly nameserver: IpAddress; readonly standIn: Endpoint }[];
  };

/** Reads what came from the daemon. @throws {BadRequest} saying what; @throws {HelloMismatch} for a hello that's none. */
export function parseRequest(raw: unknown): ParsedRequest {
  const request = record(raw, "the request");
  switch (request.ask) {
    case "hello":
      return { ask: "hello", hello: parseHello(request.hello) };
    case "listeners":
      if (request.family !== 4 && request.family !== 6) throw new BadRequest("family is neither 4 nor 6");
      return { ask: "listeners", family: request.family };
    case "capture":
      return {
        ask: "capture",
        add: list(request.add, "add", MOST_ADDRESSES).map((raw) => {
          const one = record(raw, "an address to capture");
          return { address: address(one.address), ports: ports(one.ports) };
        }),
      };
    case "release":
      return { ask: "release", addresses: list(request.addresses, "addresses", MOST_ADDRESSES).map(address) };
    case "names":
      return {
        ask: "names",
        standIns: list(request.standIns, "standIns", MOST_STAND_INS).map((raw) => {
          const one = record(raw, "a stand-in");
          return { nameserver: address(one.nameserver), standIn: endpoint(one.standIn) };
        }),
      };
  }
  throw new BadRequest(`there's no request ${JSON.stringify(request.ask)?.slice(0, 40)}`);
}

function ports(raw: unknown): CapturedPorts {
  return raw === "any" ? raw : list(raw, "ports", MOST_PORTS).map(servedPort);
}

function servedPort(raw: unknown): ServedPort {
  const { protocol, port, served } = record(raw, "a port");
  if (protocol !== "tcp" && protocol !== "udp") throw new BadRequest("a port is neither tcp nor udp");
  if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65535) {
    throw new BadRequest("a port is none");
  }
  if (typeof served !== "boolean") throw new BadRequest("served is neither true nor false");
  return { protocol, port: port as number, served };
}

function address(raw: unknown): IpAddress {
  const parsed = typeof raw === "string" && raw.length <= 45 ? parseAddress(raw) : undefined;
  if (!parsed) throw new BadRequest("an address is none");
  return parsed;
}

function endpoint(raw: unknown): Endpoint {
  const parsed = typeof raw === "string" && raw.length <= 64 ? parseEndpoint(raw) : undefined;
  if (!parsed) throw new BadRequest("an address and port are none");
  return parsed;
}

function record(raw: unknown, what: string): Record<string, unknown> {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw new BadRequest(`${what} is no object`);
  }
  return raw as Record<string, unknown>;
}

function list(raw: unknown, what: string, most: number): readonly unknown[] {
  if (!Array.isArray(raw)) throw new BadRequest(`${what} is no list`);
  if (raw.length > most) throw new BadRequest(`${what} has ${raw.length} entries: ${most} at most`);
  return raw;
}
