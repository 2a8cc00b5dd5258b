/** Whether a nameserver is there at all: what it answers doesn't matter. */
import { parseMessage, rcodes, types } from "../../dns/message.ts";
import { SystemCallError } from "../../ffi/libc.ts";
import { writeMessage } from "../../dns/message_writer.ts";
import { networkErrorIn } from "./extended_error.ts";
import { questionFor } from "./external_name.ts";
import { type Nameserver, NoAnswer, UdpForwarder } from "./forward.ts";
import { UDP_SIZE } from "./respond.ts";

/** A domain of which a stub knows all names, while a cluster is captured. */
const OWN_DOMAIN = "cluster.local";
/** Where nameservers of resolv.conf listen. */
export const DNS_PORT = 53;
/** A nameserver that is alive answers within this, in milliseconds. */
const ANSWER_MS = 2_000;

/**
 * Why a nameserver doesn't answer; undefined when it does. It is asked for the root's nameservers, to which every resolver has some
 * answer. While pmz captures names, pmz's stub is what other processes than the daemon ask: it says when it can't reach the nameserver.
 */
export async function nameserverProblem(
  nameserver: Nameserver,
  answerMs = ANSWER_MS,
): Promise<string | undefined> {
  const edns = { udpSize: UDP_SIZE, version: 0, dnssecOk: false, options: new Uint8Array() };
  const query = writeMessage({ ...questionFor("", types.NS), edns });
  try {
    const answer = await new UdpForwarder({ answerMs }).ask(query, nameserver);
    return unreachableIn(answer);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return error.kind === "silent"
      ? `${nameserver.address} doesn't answer within ${answerMs / 1000} s`
      : error.message;
  }
}

/**
 * Whether a DNS stub of pmz's own is reached by what this process sends, and it by the answer: a firewall may keep programs from it.
 * @param stub "127.77.0.1:40053"
 */
export async function reachesStub(stub: string, answerMs = ANSWER_MS): Promise<boolean> {
  const [address = "", port] = [
    stub.slice(0, stub.lastIndexOf(":")),
    Number(stub.slice(stub.lastIndexOf(":") + 1)),
  ];
  const nameserver = { address: address.replace(/^\[|\]$/g, ""), port };
  // The stub answers it by itself, whatever becomes of its nameserver.
  const query = writeMessage(questionFor(`dns-version.${OWN_DOMAIN}`, types.TXT));
  try {
    await new UdpForwarder({ answerMs }).ask(query, nameserver);
    return true;
  } catch (error) {
    if (error instanceof NoAnswer || error instanceof SystemCallError) return false;
    throw error;
  }
}

function unreachableIn(answer: Uint8Array): string | undefined {
  try {
    const { rcode, edns } = parseMessage(answer);
    return rcode === rcodes.servFail && edns ? networkErrorIn(edns.options) : undefined;
  } catch {
    return undefined; // an answer that can't be read is one all the same
  }
}
