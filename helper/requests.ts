import { type Endpoint, type IpAddress, parseAddress, parseEndpoint } from "../net/address.ts";
import {
  boolean,
  type Infer,
  integer,
  list,
  object,
  oneOf,
  type Schema,
  unknown,
  value,
  withDefault,
} from "../wire/schema.ts";
import { type Hello, parseHello } from "../wire/hello.ts";
import type { CapturedPorts } from "../wire/helper.ts";

/** Limits of one request; 256 KiB hold less in any case. */
const MOST_ADDRESSES = 5_000;
const MOST_PORTS = 1_000;
const MOST_STUBS = 32;
export const MOST_UNREACHABLE = 256;
/** Characters of an address, and of one with a port. */
const LONGEST_ADDRESS = 45;
const LONGEST_ENDPOINT = 64;

const family: Schema<4 | 6> = value(
  "address family",
  "4 or 6",
  (raw) => raw === 4 || raw === 6 ? raw : undefined,
);

const address: Schema<IpAddress> = value(
  "address",
  "an IPv4 or IPv6 address",
  (raw) => typeof raw === "string" && raw.length <= LONGEST_ADDRESS ? parseAddress(raw) : undefined,
);

const endpoint: Schema<Endpoint> = value(
  "address and port",
  '"127.0.0.1:5300" or "[::1]:5300"',
  (raw) => typeof raw === "string" && raw.length <= LONGEST_ENDPOINT ? parseEndpoint(raw) : undefined,
);

const port = integer("port", 1, 65_535);

const listed = list(
  object({
    protocol: oneOf("protocol", ["tcp", "udp"]),
    port,
    served: boolean(),
  }),
  MOST_PORTS,
);
const ports: Schema<CapturedPorts> = {
  expected: `"any" or ${listed.expected}`,
  parse: (raw, field) => raw === "any" ? raw : listed.parse(raw, field),
};

const name = oneOf("request", [
  "hello",
  "identify",
  "listeners",
  "capture",
  "release",
  "names",
  "trace",
  "refusals",
  "repair",
  "log",
  "udp",
  "udp-destination",
  "udp-unreachable",
]);
const envelope = object({ ask: name, hello: unknown() });
const listeners = object({ family });
const capture = object({
  add: list(
    object({ address, ports, accepted: withDefault(boolean(), false) }),
    MOST_ADDRESSES,
  ),
});
const release = object({ addresses: list(address, MOST_ADDRESSES) });
const trace = object({ address, port });
const udp = object({ family });
const udpDestination = object({ address, port });
const udpUnreachable = object({ callers: list(object({ address, port, caller: port }), MOST_UNREACHABLE) });
const names = object({ stubs: list(object({ nameserver: address, stub: endpoint }), MOST_STUBS) });

/** A HelperRequest with its addresses parsed. */
export type ParsedRequest =
  | { readonly ask: "hello"; readonly hello: Hello }
  | { readonly ask: "identify" }
  | { readonly ask: "listeners" } & Infer<typeof listeners>
  | { readonly ask: "capture" } & Infer<typeof capture>
  | { readonly ask: "release" } & Infer<typeof release>
  | { readonly ask: "trace" } & Infer<typeof trace>
  | { readonly ask: "names" } & Infer<typeof names>
  | { readonly ask: "refusals" }
  | { readonly ask: "repair" }
  | { readonly ask: "log" }
  | { readonly ask: "udp" } & Infer<typeof udp>
  | { readonly ask: "udp-destination" } & Infer<typeof udpDestination>
  | { readonly ask: "udp-unreachable" } & Infer<typeof udpUnreachable>;

/** A request of one kind. */
export type Parsed<Ask extends ParsedRequest["ask"]> = Extract<ParsedRequest, { readonly ask: Ask }>;

/** Reads what came from the daemon. @throws {NotValid} which names the field @throws {HelloMismatch} for a hello that isn't valid */
export function parseRequest(raw: unknown): ParsedRequest {
  const request = envelope.parse(raw, "");
  const { ask } = request;
  switch (ask) {
    case "hello":
      return { ask, hello: parseHello(request.hello) };
    case "identify":
      return { ask };
    case "listeners":
      return { ask, ...listeners.parse(raw, "") };
    case "capture":
      return { ask, ...capture.parse(raw, "") };
    case "release":
      return { ask, ...release.parse(raw, "") };
    case "trace":
      return { ask, ...trace.parse(raw, "") };
    case "names":
      return { ask, ...names.parse(raw, "") };
    case "udp":
      return { ask, ...udp.parse(raw, "") };
    case "udp-destination":
      return { ask, ...udpDestination.parse(raw, "") };
    case "udp-unreachable":
      return { ask, ...udpUnreachable.parse(raw, "") };
    case "refusals":
    case "repair":
    case "log":
      return { ask };
  }
}
