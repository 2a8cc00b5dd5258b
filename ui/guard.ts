/** Who gets an answer from the page's server: the page itself, in a browser of the user's own account, and nothing else. */
import { timingSafeEqual } from "node:crypto";

/** What a request has to have. */
export interface Admission {
  /** "127.0.0.1:41234", as the page's URL has it. */
  readonly authority: string;
  readonly token: string;
}

/** 256 random bits, as they stand in a URL. */
export function newToken(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toBase64({ alphabet: "base64url", omitPadding: true });
}

/**
 * Why a request isn't answered; undefined where it is.
 *
 * | who asks | refused by |
 * | --- | --- |
 * | a page whose name was made to lead to 127.0.0.1 (DNS rebinding) | Host |
 * | a page of another origin, by fetch, form, image or frame | Origin, Sec-Fetch-Site, the token |
 * | a program that found the port | the token |
 *
 * Other accounts of the machine don't come this far: the kernel says whose the connection is.
 */
export function whyRefused(
  { method, url, headers }: Pick<Request, "method" | "url" | "headers">,
  { authority, token }: Admission,
): string | undefined {
  if (headers.get("host") !== authority) return "the Host header names another server";
  const [, given = ""] = new URL(url).pathname.split("/");
  if (!isSame(given, token)) return "the address lacks the token that pmz ui has printed";
  const isReading = method === "GET" || method === "HEAD";
  const origin = headers.get("origin");
  if (origin === null ? !isReading : origin !== `http://${authority}`) {
    return "the Origin header names another page";
  }
  // "none": typed, or opened by another program.
  const site = headers.get("sec-fetch-site") ?? "none";
  const isOwn = site === "same-origin" || (site === "none" && isReading);
  const isBrowser = headers.has("sec-fetch-site");
  if (isBrowser && !isOwn) return "another page asks";
  if (!isReading && headers.get("content-type") !== "application/json") {
    return "the body is not declared as JSON";
  }
  return undefined;
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => new TextEncoder().encode(text));
  return a !== undefined && b !== undefined && a.length === b.length && timingSafeEqual(a, b);
}
