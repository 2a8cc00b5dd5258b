import { parseEndpoint } from "../../net/address.ts";
import { MOST_LIMITED, type RelayMessage } from "../../wire/handover.ts";
import { parseHello } from "../../wire/hello.ts";
import { integer, list, matching, object, oneOf, value } from "../../wire/schema.ts";
import { limits } from "./plan.ts";

/** Sockets that relay may request at once. */
export const MOST_SOCKETS = 64;

const uid = matching("UID", "36 characters of 0-9, a-f and -", /^[0-9a-f-]{36}$/);
const family = value("address family", "4 or 6", (raw) => raw === 4 || raw === 6 ? raw : undefined);
const endpoint = value(
  "endpoint",
  "ADDRESS:PORT",
  (raw) => typeof raw === "string" && parseEndpoint(raw) !== undefined ? raw : undefined,
);

const message = object({
  tell: oneOf("message", ["hello", "proven", "limited", "refused", "request-sockets", "classify"]),
});
const hello = object({ hello: { expected: "a hello", parse: parseHello } });
const proven = object({ rules: list(uid, limits.rulesPerNode) });
const limit = oneOf("limit", ["connections", "port"]);
const limited = object({ pods: list(object({ uid, limit }), MOST_LIMITED) });
const refused = object({ uid });
const requestSockets = object({ uid, family, count: integer("number of sockets", 1, MOST_SOCKETS) });
const classify = object({
  id: integer("question's id", 0, Number.MAX_SAFE_INTEGER),
  caller: endpoint,
  destination: endpoint,
});

/**
 * Parses a message of relay, which isn't trusted: it is the process that reads callers' bytes.
 * @throws {NotValid} @throws {HelloMismatch}
 */
export function parseRelayMessage(raw: unknown): RelayMessage {
  const from = "relay's message";
  const { tell } = message.parse(raw, from);
  switch (tell) {
    case "hello":
      return { tell, ...hello.parse(raw, from) };
    case "proven":
      return { tell, ...proven.parse(raw, from) };
    case "limited":
      return { tell, ...limited.parse(raw, from) };
    case "refused":
      return { tell, ...refused.parse(raw, from) };
    case "request-sockets":
      return { tell, ...requestSockets.parse(raw, from) };
    case "classify":
      return { tell, ...classify.parse(raw, from) };
  }
}
