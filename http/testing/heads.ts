/** For tests: heads and pieces of bytes from text. */
import { parseRequestHead, parseResponseHead, type RequestHead, type ResponseHead } from "../head.ts";

/** Each character as one byte. */
export const bytesOf = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(text, (character) => character.charCodeAt(0));

const withLineEnds = (text: string) => bytesOf(text.replaceAll("\n", "\r\n") + "\r\n\r\n");

/** A request's head, whose lines are separated by "\n" here. */
export const requestHead = (text: string): RequestHead => parseRequestHead(withLineEnds(text));

/** A response's head, whose lines are separated by "\n" here. */
export const responseHead = (text: string): ResponseHead => parseResponseHead(withLineEnds(text));

/** A source that gives `whole` in pieces of at most `size` bytes, and then its end. */
export function pieces(whole: Uint8Array, size: number) {
  let at = 0;
  return {
    read(into: Uint8Array): Promise<number | null> {
      const piece = whole.subarray(at, Math.min(at + size, at + into.length));
      into.set(piece);
      at += piece.length;
      return Promise.resolve(piece.length || null);
    },
  };
}
