import type { RelayMessage } from "../../wire/handover.ts";
import { parseEndpoint } from "../../net/address.ts";
import { parseHello } from "../../wire/hello.ts";

/** Sockets that relay may request at once. */
export const MOST_SOCKETS = 64;
/** Rules of a node: the limit in plan.ts. */
const MOST_RULES = 500;

/**
 * Parses a message of relay, which isn't trusted: it is the process that reads callers' bytes.
 * @throws {TypeError} for what isn't a valid message. @throws {HelloMismatch} for what isn't a valid hello.
 */
export function parseRelayMessage(raw: unknown): RelayMessage {
  if (typeof raw !== "object" || raw === null) {
    throw new TypeError("relay sent something other than an object");
  }
  const message = raw as Record<string, unknown>;
  switch (message.tell) {
    case "hello":
      return { tell: "hello", hello: parseHello(message.hello) };
    case "proven": {
      const { rules } = message;
      if (!Array.isArray(rules) || rules.length > MOST_RULES || !rules.every(isUid)) break;
      return { tell: "proven", rules };
    }
    case "refused": {
      const { uid } = message;
      if (!isUid(uid)) break;
      return { tell: "refused", uid };
    }
    case "request-sockets": {
      const { uid, family, count } = message;
      if (!isUid(uid) || (family !== 4 && family !== 6) || !isWhole(count, 1, MOST_SOCKETS)) break;
      return { tell: "request-sockets", uid, family, count };
    }
    case "classify": {
      const { id, caller, destination } = message;
      if (!isWhole(id, 0, Number.MAX_SAFE_INTEGER) || !isEndpoint(caller) || !isEndpoint(destination)) break;
      return { tell: "classify", id, caller, destination };
    }
  }
  throw new TypeError(`relay sent an invalid message: ${String(message.tell).slice(0, 32)}`);
}

const isUid = (value: unknown): value is string => typeof value === "string" && /^[0-9a-f-]{36}$/.test(value);
const isEndpoint = (value: unknown): value is string =>
  typeof value === "string" && parseEndpoint(value) !== undefined;
const isWhole = (value: unknown, least: number, most: number): value is number =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
