import { LOCAL_TABLE } from "./route.ts";

/** Of struct nlmsghdr: where its type is, and whose request was the cause. */
const TYPE = 4;
const WRITER = 12;
/** Where struct ifinfomsg and struct ifaddrmsg have the device; where struct rtmsg ends and attributes begin. */
const DEVICE = 16 + 4;
const ATTRIBUTES = 16 + 12;
const NLMSG_ERROR = 2;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTA_OIF = 4;
const RTA_TABLE = 15;
/** Of linux/filter.h: offsets of what the kernel computes, here the place of a netlink attribute. */
const SKF_AD_OFF = -0x1000;
const SKF_AD_NLATTR = 12;

const LD_H_ABS = 0x28;
const LD_W_ABS = 0x20;
const LD_W_IND = 0x40;
const LD_IMM = 0x00;
const LDX_IMM = 0x01;
const JEQ = 0x15;
const JGE = 0x35;
const JGT = 0x25;
const TAX = 0x07;
const RET = 0x06;
const AND = 0x54;
const ALL = 0xffff_ffff;

/**
 * A socket filter (classic BPF, struct sock_filter) that drops messages about routes of these tables, and passes all others. It reads
 * the first message of a packet: a notification is alone in its packet.
 * @throws {RangeError} for tables whose numbers differ in more than their last byte: the filter compares big-endian words
 */
export function otherTables(first: number, count: number): Uint8Array<ArrayBuffer> {
  const last = first + count - 1;
  if (count < 1 || last >>> 8 !== first >>> 8) {
    throw new RangeError(`${first} to ${last} is not a valid range of tables: expected one within 256`);
  }
  return encode([
    [LD_H_ABS, 0, 0, TYPE],
    [JEQ, 1, 0, swap16(RTM_NEWROUTE)],
    [JEQ, 0, 10, swap16(RTM_DELROUTE)],
    [LDX_IMM, 0, 0, RTA_TABLE],
    [LD_IMM, 0, 0, ATTRIBUTES],
    [LD_W_ABS, 0, 0, SKF_AD_OFF + SKF_AD_NLATTR], // where the attribute begins; 0: there is none
    [JEQ, 6, 0, 0],
    [TAX, 0, 0, 0],
    [LD_W_IND, 0, 0, 4], // the table, little-endian in a big-endian word: its last byte comes first
    [JGE, 0, 3, swap32(first)],
    [JGT, 2, 0, swap32(last)],
    // Equal in all other bytes? They are the lower ones here.
    [AND, 0, 0, 0x00ff_ffff],
    [JEQ, 1, 0, swap32(first) & 0x00ff_ffff],
    [RET, 0, 0, ALL],
    [RET, 0, 0, 0],
  ]);
}

/** What one program has made itself. */
export interface OwnThings {
  /** A device's index: it, and its addresses. */
  readonly device: number;
  /** Routes of this table that another socket than `writer` adds or deletes. */
  readonly table: number;
  /** `Netlink.port` of the socket that makes the routes. */
  readonly writer: number;
}

/** A socket filter that passes messages about these things alone, and about the kernel's own routes to the device's addresses. */
export function touched({ device, table, writer }: OwnThings): Uint8Array<ArrayBuffer> {
  const loadRouteAttribute = (type: number): Instruction[] => [
    [LDX_IMM, 0, 0, type],
    [LD_IMM, 0, 0, ATTRIBUTES],
    [LD_W_ABS, 0, 0, SKF_AD_OFF + SKF_AD_NLATTR],
    [TAX, 0, 0, 0],
    [LD_W_IND, 0, 0, 4],
  ];
  return encode([
    [LD_H_ABS, 0, 0, TYPE],
    [JEQ, 23, 0, swap16(NLMSG_ERROR)], // by which the monitor ends its own wait
    [JEQ, 5, 0, swap16(RTM_NEWLINK)],
    [JEQ, 4, 0, swap16(RTM_DELLINK)],
    [JEQ, 3, 0, swap16(RTM_NEWADDR)],
    [JEQ, 2, 0, swap16(RTM_DELADDR)],
    [JEQ, 3, 0, swap16(RTM_NEWROUTE)],
    [JEQ, 2, 18, swap16(RTM_DELROUTE)],
    [LD_W_ABS, 0, 0, DEVICE],
    [JEQ, 15, 16, swap32(device)],
    [LD_W_ABS, 0, 0, WRITER],
    [JEQ, 14, 0, swap32(writer)],
    ...loadRouteAttribute(RTA_TABLE),
    [JEQ, 7, 0, swap32(table)],
    [JEQ, 0, 7, swap32(LOCAL_TABLE)],
    ...loadRouteAttribute(RTA_OIF),
    [JEQ, 0, 1, swap32(device)],
    [RET, 0, 0, ALL],
    [RET, 0, 0, 0],
  ]);
}

/** struct sock_filter. */
export type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, value: number];

/** The program as setsockopt takes it. */
export function encode(program: readonly Instruction[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8 * program.length);
  const view = new DataView(bytes.buffer);
  program.forEach(([code, whenTrue, whenFalse, value], i) => {
    view.setUint16(8 * i, code, true);
    view.setUint8(8 * i + 2, whenTrue);
    view.setUint8(8 * i + 3, whenFalse);
    view.setUint32(8 * i + 4, value >>> 0, true);
  });
  return bytes;
}

function swap16(value: number): number {
  return (value & 0xff) << 8 | value >>> 8;
}

function swap32(value: number): number {
  return (swap16(value & 0xffff) << 16 | swap16(value >>> 16)) >>> 0;
}
