import type { IpAddress } from "../../net/address.ts";
import { AF_INET, AF_INET6 } from "../libc.ts";
import { encode, type Instruction } from "./monitor_filter.ts";

/** Of struct nlmsghdr: the type, as the big-endian word that a filter reads. */
const TYPE = 4;
const NLMSG_ERROR = 0x0200;
/** Of struct inet_diag_msg: the family, and the source address. */
const FAMILY = 16;
const SOURCE = 24;
const MAPPED = 0xffff;

const LD_B_ABS = 0x30;
const LD_H_ABS = 0x28;
const LD_W_ABS = 0x20;
const JEQ = 0x15;
const RET = 0x06;
const ALL = 0xffff_ffff;

/** A socket filter that passes what sock_diag tells of sockets that are bound to one of these addresses, v4-mapped too, or to none. */
export function closedFrom(own4: IpAddress, own6: IpAddress | undefined): Uint8Array<ArrayBuffer> {
  const source = (word: number): Instruction => [LD_W_ABS, 0, 0, SOURCE + 4 * word];
  const drop: Instruction = [RET, 0, 0, 0];
  const pass: Instruction = [RET, 0, 0, ALL];
  const four = wordsOf(own4)[3] ?? 0;
  const six = own6 ? wordsOf(own6) : undefined;
  /** Passes the source with these words, else comes out behind. */
  const passes = (words: readonly number[]): Instruction[] => [
    // Each comparison that fails leaps over the ones that follow it, and over `pass`.
    ...words.flatMap((word, i): Instruction[] => [source(i), [JEQ, 0, 2 * (words.length - i) - 1, word]]),
    pass,
  ];
  const ofIp4 = [...passes([0]), ...passes([four]), drop];
  const ofIp6 = [
    ...passes([0, 0, 0, 0]),
    ...passes([0, 0, MAPPED, four]),
    ...six ? passes(six) : [],
    drop,
  ];
  return encode([
    [LD_H_ABS, 0, 0, TYPE],
    [JEQ, 0, 1, NLMSG_ERROR], // by which the wait is ended
    pass,
    [LD_B_ABS, 0, 0, FAMILY],
    [JEQ, 0, ofIp4.length, AF_INET],
    ...ofIp4,
    [JEQ, 0, ofIp6.length, AF_INET6],
    ...ofIp6,
    drop,
  ]);
}

function wordsOf({ bytes }: IpAddress): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return [0, 4, 8, 12].map((at) => view.getUint32(at));
}
