/** Decides what happens to a query. Pure, so that UDP and TCP give the same answers. */
import { FormatError, type Message, parseMessage, rcodes, types } from "../../dns/message.ts";
import { networkError } from "./extended_error.ts";
import type { Answer, Zone } from "../zone/zone.ts";

/** The size of pmz's own UDP buffer, as it is advertised (DNS flag day 2020: no fragments). */
export const UDP_SIZE = 1232;
/** Bytes of an answer over UDP without EDNS (RFC 1035 §4.2.1), and at most with it. */
const [SMALLEST, LARGEST] = [512, 4096];

export type Reply =
  /** It is forwarded as it is to the nameserver that was asked. `name` is what it asks for, where it can be read. */
  | { readonly kind: "pass"; readonly name?: string }
  /** It isn't a query: there is no answer. */
  | { readonly kind: "drop" }
  | { readonly kind: "answer"; readonly reply: Message; readonly udpLimit: number }
  /** The reply's CNAME leads to a name that the nameserver that was asked has to resolve. */
  | {
    readonly kind: "outside";
    readonly reply: Message;
    readonly udpLimit: number;
    readonly target: string;
    readonly type: number;
  };

/** @param random as Math.random, for the order of addresses */
export function consider(
  query: Uint8Array,
  zone: Pick<Zone, "answer">,
  random: () => number = Math.random,
): Reply {
  let message: Message;
  try {
    message = parseMessage(query);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    // The nameserver that was asked may understand it, or answers FORMERR itself.
    return query.length < 12 || (query[2] ?? 0) & 0x80 ? { kind: "drop" } : { kind: "pass" };
  }
  if (message.response) return { kind: "drop" };
  const [question, second] = message.questions;
  if (message.opcode !== 0 || !question || second) return { kind: "pass" };
  const answer = zone.answer(question);
  if (answer === "not-ours") return { kind: "pass", name: question.name };

  const udpLimit = Math.min(LARGEST, Math.max(SMALLEST, message.edns?.udpSize ?? 0));
  if ((message.edns?.version ?? 0) > 0) {
    return { kind: "answer", udpLimit, reply: replyTo(message, rcodes.badVers) };
  }
  const rcode = answer.isAbsent ? rcodes.nxDomain : rcodes.noError;
  const reply = replyTo(message, rcode, { ...answer, answers: shuffled(answer.answers, random) });
  if (answer.outside === undefined) return { kind: "answer", reply, udpLimit };
  return { kind: "outside", reply, udpLimit, target: answer.outside, type: question.type };
}

/**
 * A reply without records, by default since the query can't be forwarded; undefined for bytes that aren't a query.
 * @param why that the nameserver can't be reached
 */
export function failure(
  query: Uint8Array,
  rcode: number = rcodes.servFail,
  why?: string,
): Message | undefined {
  try {
    const message = parseMessage(query);
    if (message.response) return undefined;
    const reply = replyTo(message, rcode);
    return reply.edns && why !== undefined
      ? { ...reply, edns: { ...reply.edns, options: networkError(why) } }
      : reply;
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

function replyTo(query: Message, rcode: number, answer?: Answer): Message {
  return {
    id: query.id,
    response: true,
    opcode: query.opcode,
    authoritative: answer !== undefined,
    truncated: false,
    recursionDesired: query.recursionDesired,
    recursionAvailable: true,
    authenticData: false,
    checkingDisabled: query.checkingDisabled,
    rcode,
    questions: query.questions.slice(0, 1),
    answers: answer?.answers ?? [],
    authorities: answer?.authorities ?? [],
    additionals: answer?.additionals ?? [],
    ...(query.edns && {
      edns: { udpSize: UDP_SIZE, version: 0, dnssecOk: query.edns.dnssecOk, options: new Uint8Array() },
    }),
  };
}

/** The answers with their addresses shuffled, so that clients spread over pods; CNAMEs stay in front. */
function shuffled(answers: Answer["answers"], random: () => number): Answer["answers"] {
  const aliases = answers.filter(({ type }) => type === types.CNAME);
  const rest = answers.filter(({ type }) => type !== types.CNAME);
  for (let i = rest.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [rest[i], rest[j]];
    if (a && b) [rest[i], rest[j]] = [b, a];
  }
  return [...aliases, ...rest];
}
