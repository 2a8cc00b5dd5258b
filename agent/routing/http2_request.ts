/**
 * An HTTP/2 request that may be routed: one that names its host and path once. Everything else is the pod's, which then is the only one
 * to interpret it.
 */
import type { Header } from "../../hbone/mod.ts";
import { FieldIndex, hostName, type MatchableRequest } from "./matchable_request.ts";

export class Http2Request implements MatchableRequest {
  readonly method: string;
  readonly host: string | undefined;
  readonly path: string;
  readonly #fields: FieldIndex;

  private constructor(method: string, host: string | undefined, path: string, headers: readonly Header[]) {
    this.method = method;
    this.host = host;
    this.path = path;
    // As an intermediary would write it in HTTP/1.1 (RFC 9113 §8.3.1), so that a matcher of this header finds it in both.
    const authority = headers.some(([name]) => name === "host") ? undefined : ":authority";
    const fields = headers.map(([name, value]) => ({ name: name === authority ? "host" : name, value }));
    this.#fields = new FieldIndex(fields.filter(({ name }) => !name.startsWith(":")));
  }

  /**
   * Undefined when it must not be routed.
   * @param headers those of a well-formed request (RFC 9113 §8.3.1)
   */
  static of(headers: readonly Header[]): Http2Request | undefined {
    const named = (name: string) => headers.filter((header) => header[0] === name).map(([, value]) => value);
    const [[method = ""], [path = ""]] = [named(":method"), named(":path")];
    if (method === "CONNECT" || (!path.startsWith("/") && path !== "*")) return undefined;
    // Where the two differ, servers may choose either (RFC 9113 §8.3.1).
    const hosts = [...named(":authority"), ...named("host")].map(hostName);
    if (hosts.includes(undefined) || new Set(hosts).size > 1 || named("host").length > 1) return undefined;
    return new Http2Request(method, hosts[0], /^[^?#]*/.exec(path)?.[0] ?? "", headers);
  }

  header(name: string): readonly string[] {
    return this.#fields.header(name);
  }

  cookie(name: string): readonly string[] {
    return this.#fields.cookie(name);
  }

  baggage(name: string): readonly string[] {
    return this.#fields.baggage(name);
  }
}
