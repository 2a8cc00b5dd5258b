import type { AttachMessage, RelayedRule, SteeredPort } from "../../wire/handover.ts";
import { parseHello } from "../../wire/hello.ts";

/**
 * Parses a message of attach. attach is trusted; parsing finds a mistake where it enters.
 * @throws {TypeError} for what isn't a valid message. @throws {HelloMismatch} for what isn't a valid hello.
 */
export function parseAttachMessage(raw: unknown): AttachMessage {
  const message = record(raw);
  switch (message.tell) {
    case "hello":
      return {
        tell: "hello",
        hello: parseHello(message.hello),
        cluster: text(message.cluster),
        pod: text(message.pod),
        node: text(message.node),
      };
    case "rules":
      return { tell: "rules", rules: list(message.rules).map(rule) };
    case "pod":
      return {
        tell: "pod",
        uid: text(message.uid),
        pod: text(message.pod),
        addresses: list(message.addresses).map(text),
        workers: whole(message.workers, 64),
        families: list(message.families).map(family),
        ports: list(message.ports).map(port),
      };
    case "ports":
      return { tell: "ports", uid: text(message.uid), ports: list(message.ports).map(port) };
    case "released":
      return { tell: "released", uid: text(message.uid) };
    case "sockets":
      return { tell: "sockets", uid: text(message.uid), family: family(message.family) };
    case "host":
      return { tell: "host", addresses: list(message.addresses).map(text) };
    case "classified":
      return {
        tell: "classified",
        id: whole(message.id, Number.MAX_SAFE_INTEGER),
        kubelet: message.kubelet === true,
      };
  }
  throw new TypeError(`attach sent an unknown message: ${String(message.tell).slice(0, 32)}`);
}

function rule(raw: unknown): RelayedRule {
  const given = record(raw);
  return {
    uid: text(given.uid),
    port: whole(given.port, 65535),
    session: text(given.session),
    publicKey: text(given.publicKey),
  };
}

function port(raw: unknown): SteeredPort {
  const given = record(raw);
  return { port: whole(given.port, 65535), rule: text(given.rule) };
}

function family(value: unknown): 4 | 6 {
  if (value !== 4 && value !== 6) throw new TypeError("attach sent an address family other than 4 and 6");
  return value;
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError("attach sent something other than an object");
  }
  return value as Record<string, unknown>;
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new TypeError("attach sent something other than a list");
  return value;
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("attach sent something other than a string");
  return value;
}

function whole(value: unknown, most: number): number {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > most) {
    throw new TypeError(`attach sent something other than a number up to ${most}`);
  }
  return value as number;
}
