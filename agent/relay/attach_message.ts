import { type AttachMessage, MOST_HOST_ADDRESSES } from "../../wire/handover.ts";
import { parseHello } from "../../wire/hello.ts";
import { match } from "../../wire/match.ts";
import {
  boolean,
  integer,
  list,
  object,
  oneOf,
  optional,
  type Schema,
  text,
  value,
} from "../../wire/schema.ts";

const uid = text(64);
/** "namespace/name" */
const pod = text(317);
const port = integer("port", 1, 65535);
const address = text(64);
const family = value("address family", "4 or 6", (raw) => raw === 4 || raw === 6 ? raw : undefined);
/** Personal rules: personalPerPort of agent/attach/plan.ts. */
const protocol = oneOf("protocol", ["tcp", "udp"]);
const steeredPorts = list(object({ protocol, port, personal: list(uid, 128), whole: optional(uid) }), 256);
const publicKey = text(64);
const rule = object({ uid, port, session: uid, publicKey });

const message = object({
  tell: oneOf("message", [
    "hello",
    "rules",
    "match",
    "pod",
    "ports",
    "released",
    "sockets",
    "host",
    "classified",
  ]),
});
const hello = object({
  hello: { expected: "a hello", parse: parseHello },
  clusterUid: uid,
  caHash: text(64),
  pod: uid,
  node: text(253),
});
const rules = object({ rules: list(rule, 500) });
const isTrue = value("mirror", "true", (raw) => raw === true ? raw : undefined);
const matched = object({
  rule: uid,
  match: optional(match),
  mirror: optional(isTrue),
  callers: optional(list(address, 2_000)),
});
const handover = object({
  uid,
  pod,
  addresses: list(address, 64),
  workers: integer("number of workers", 1, 64),
  families: list(family, 2),
  datagrams: list(family, 2),
  ports: steeredPorts,
});
const ports = object({ uid, ports: steeredPorts });
const released = object({ uid });
const sockets = object({ uid, family });
const listed = list(text(45), MOST_HOST_ADDRESSES);
const hostAddresses: Schema<readonly string[] | "any"> = {
  expected: `"any", or ${listed.expected}`,
  parse: (raw, field) => raw === "any" ? raw : listed.parse(raw, field),
};
const host = object({ addresses: hostAddresses });
const classified = object({
  id: integer("question's id", 0, Number.MAX_SAFE_INTEGER),
  kubelet: boolean(),
});

/**
 * Parses a message of attach. attach is trusted; parsing finds a mistake where it enters.
 * @throws {NotValid} @throws {HelloMismatch}
 */
export function parseAttachMessage(raw: unknown): AttachMessage {
  const from = "attach's message";
  const { tell } = message.parse(raw, from);
  switch (tell) {
    case "hello":
      return { tell, ...hello.parse(raw, from) };
    case "rules":
      return { tell, ...rules.parse(raw, from) };
    case "match":
      return { tell, ...matched.parse(raw, from) };
    case "pod":
      return { tell, ...handover.parse(raw, from) };
    case "ports":
      return { tell, ...ports.parse(raw, from) };
    case "released":
      return { tell, ...released.parse(raw, from) };
    case "sockets":
      return { tell, ...sockets.parse(raw, from) };
    case "host":
      return { tell, ...host.parse(raw, from) };
    case "classified":
      return { tell, ...classified.parse(raw, from) };
  }
}
