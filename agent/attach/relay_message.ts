import type { RelayMessage } from "../../wire/handover.ts";
import { parseEndpoint } from "../../net/address.ts";
import { parseHello } from "../../wire/hello.ts";

/** Sockets that relay may ask for at once. */
export const MOST_SOCKETS = 64;
/** Rules of a node, see limits of plan.ts. */
const MOST_RULES = 500;

/**
 * A message of relay: the process that parses what strangers send, so nothing of it is taken on trust.
 * @throws {TypeError} when it's none; {HelloMismatch} for a hello that is none.
 */
export function parseRelayMessage(raw: unknown): RelayMessage {
  if (typeof raw !== "object" || raw === null) throw new TypeError("relay sent no object");
  const message = raw as Record<string, unknown>;
  switch (message.tell) {
    case "hello":
      return { tell: "hello", hello: parseHello(message.hello) };
    case "live": {
      const { rules } = message;
      if (!Array.isArray(rules) || rules.length > MOST_RULES || !rules.every(isUid)) break;
      return { tell: "live", rules };
    }
    case "refused": {
      const { uid } = message;
      if (!isUid(uid)) break;
      return { tell: "refused", uid };
    }
    case "need": {
      const { uid, family, count } = message;
      if (!isUid(uid) || (family !== 4 && family !== 6) || !isWhole(count, 1, MOST_SOCKETS)) break;
      return { tell: "need", uid, family, count };
    }
    case "whose": {
      const { id, caller, destination } = message;
      if (!isWhole(id, 0, Number.MAX_SAFE_INTEGER) || !isEndpoint(caller) || !isEndpoint(destination)) break;
      return { tell: "whose", id, caller, destination };
    }
  }
  throw new TypeError(`relay sent a message that makes no sense: ${String(message.tell).slice(0, 32)}`);
}

const isUid = (value: unknown): value is string => typeof value === "string" && /^[0-9a-f-]{36}$/.test(value);
const isEndpoint = (value: unknown): value is string =>
  typeof value === "string" && parseEndpoint(value) !== undefined;
const isWhole = (value: unknown, least: number, most: number): value is number =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
