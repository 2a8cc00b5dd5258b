/** Resolution of an ExternalName that leads out of the cluster: the laptop's own nameserver is asked for its target. */
import type { IpAddress } from "../../net/address.ts";
import type { Nameserver, UdpForwarder } from "./forward.ts";
import { FormatError, IN, type Message, parseMessage, rcodes } from "../../dns/message.ts";
import { writeMessage } from "../../dns/message_writer.ts";
import { addressIn } from "../../dns/resource.ts";
import { type Reply, UDP_SIZE } from "./respond.ts";
import { askOverTcp } from "./tcp_upstream.ts";

/**
 * The reply with the records that its CNAME leads to.
 * @param forbidden addresses that no cluster's name may lead to; they are left out
 * @throws {NoAnswer} when the nameserver doesn't answer
 */
export async function resolveExternalName(
  { reply, target, type }: Extract<Reply, { kind: "outside" }>,
  nameserver: Nameserver,
  forwarder: UdpForwarder,
  forbidden: (address: IpAddress) => boolean,
  signal: AbortSignal,
): Promise<Message> {
  const query = writeMessage(questionFor(target, type));
  let answer = read(await forwarder.ask(query, nameserver, signal));
  if (answer?.truncated) answer = read(await askOverTcp(query, nameserver, signal));
  if (!answer || (answer.rcode !== rcodes.noError && answer.rcode !== rcodes.nxDomain)) {
    return {
      ...reply,
      authoritative: false,
      rcode: rcodes.servFail,
      answers: [],
      authorities: [],
      additionals: [],
    };
  }
  const kept = answer.answers.filter((resource) => {
    const address = addressIn(resource);
    return address === undefined || !forbidden(address);
  });
  return {
    ...reply,
    authoritative: false,
    rcode: answer.rcode,
    answers: [...reply.answers, ...kept],
    authorities: answer.authorities,
  };
}

/** A query as a resolver sends it. */
export function questionFor(name: string, type: number): Message {
  return {
    id: crypto.getRandomValues(new Uint16Array(1))[0] ?? 0,
    response: false,
    opcode: 0,
    authoritative: false,
    truncated: false,
    recursionDesired: true,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    rcode: rcodes.noError,
    questions: [{ name, type, class: IN }],
    answers: [],
    authorities: [],
    additionals: [],
    edns: { udpSize: UDP_SIZE, version: 0, dnssecOk: false, options: new Uint8Array() },
  };
}

function read(bytes: Uint8Array): Message | undefined {
  try {
    return parseMessage(bytes);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
