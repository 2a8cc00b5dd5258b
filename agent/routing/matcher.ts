/** A rule's match, prepared to be compared with many requests. */
import type { GrpcMatch, Match, NamedMatch, TextMatch } from "../../wire/match.ts";
import { glob } from "./glob.ts";
import type { MatchableRequest } from "./matchable_request.ts";

type Test<T> = (of: T) => boolean;

/** Something that a request has to have for a rule to take it. */
export interface Need {
  readonly of: "host" | "header" | "cookie" | "baggage";
  /** Of the header, cookie or member. */
  readonly name: string;
  /** One of these; undefined: any. */
  readonly values?: readonly string[];
}

export class Matcher {
  /** Addresses of the callers whose requests it takes; undefined: of all. */
  readonly #callers: ReadonlySet<string> | undefined;
  readonly #host: Test<string> | undefined;
  /** What only requests have. */
  readonly #ofRequests: readonly Test<MatchableRequest>[];
  /** What every request has that it takes, of those things that can be looked up. */
  readonly need: Need | undefined;

  /** @param callers the addresses of `match.callers` */
  constructor(match: Match, callers?: readonly string[]) {
    this.#callers = match.callers && new Set(callers);
    this.#host = match.hosts && hostTest(match.hosts);
    this.#ofRequests = requestTests(match);
    this.need = needOf(match);
  }

  /** Whether it may take anything of this caller. */
  takesFrom(caller: string): boolean {
    return this.#callers?.has(caller) ?? true;
  }

  /** Whether it takes whole connections of its callers, whatever they say. */
  get takesAll(): boolean {
    return this.#host === undefined && this.#ofRequests.length === 0;
  }

  takesRequest(request: MatchableRequest, caller: string): boolean {
    return this.takesFrom(caller) && (this.#host === undefined || this.#takesHost(request.host)) &&
      this.#ofRequests.every((test) => test(request));
  }

  /** Whether it takes a TLS connection, of which nothing but the server name can be read. */
  takesTls(serverName: string | undefined, caller: string): boolean {
    return this.takesFrom(caller) && this.#ofRequests.length === 0 &&
      (this.#host === undefined || this.#takesHost(serverName));
  }

  #takesHost(host: string | undefined): boolean {
    return host !== undefined && this.#host?.(host) === true;
  }
}

/** The most telling of a match's needs: exact values before any value of a name. */
function needOf({ hosts, headers, cookies, baggage, grpc }: Match): Need | undefined {
  const named: Need[] = [
    ...needsOf("header", headers),
    ...needsOf("cookie", cookies),
    ...needsOf("baggage", baggage),
    ...grpc ? [{ of: "header", name: "content-type" } as const] : [],
  ];
  const exact = hosts?.every((host) => !host.startsWith("*.")) === true
    ? [{ of: "host", name: "", values: hosts } as const]
    : [];
  return named.find(({ values }) => values !== undefined) ?? exact[0] ?? named[0];
}

function needsOf(of: Need["of"], all: readonly NamedMatch[] = []): Need[] {
  return [...Map.groupBy(all, ({ name }) => name)].map(([name, alternatives]) => {
    const values = alternatives.flatMap((one) => "exact" in one ? [one.exact] : []);
    return { of, name, ...values.length === alternatives.length && { values } };
  });
}

function requestTests({ paths, methods, headers, cookies, baggage, grpc }: Match): Test<MatchableRequest>[] {
  const tests: Test<MatchableRequest>[] = [];
  if (methods) tests.push(({ method }) => methods.includes(method));
  if (paths) {
    const any = paths.map(pathTest);
    tests.push(({ path }) => any.some((test) => test(path)));
  }
  if (grpc) tests.push(grpcTest(grpc));
  for (const [name, test] of byName(headers)) tests.push((request) => request.header(name).some(test));
  for (const [name, test] of byName(cookies)) tests.push((request) => request.cookie(name).some(test));
  for (const [name, test] of byName(baggage)) tests.push((request) => request.baggage(name).some(test));
  return tests;
}

/** Values for one name are alternatives. */
function byName(all: readonly NamedMatch[] = []): [string, Test<string>][] {
  return [...Map.groupBy(all, ({ name }) => name)].map(([name, alternatives]) => {
    const tests = alternatives.map(textTest);
    return [name, (value) => tests.some((test) => test(value))];
  });
}

function textTest(match: TextMatch): Test<string> {
  if ("exact" in match) return (text) => text === match.exact;
  if ("prefix" in match) return (text) => text.startsWith(match.prefix);
  return glob(match.glob);
}

/** As textTest, but a prefix holds for whole segments: "/api" for "/api" and "/api/x", not for "/apis". */
function pathTest(match: TextMatch): Test<string> {
  if (!("prefix" in match)) return textTest(match);
  const prefix = match.prefix.replace(/\/$/, "");
  return (path) => path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === "/");
}

/** Calls are POST requests to /SERVICE/METHOD with a content type of gRPC's, or of gRPC-Web's. */
function grpcTest(grpc: readonly GrpcMatch[]): Test<MatchableRequest> {
  const services = new Set(grpc.flatMap(({ service, method }) => method === undefined ? [service] : []));
  const paths = new Set(
    grpc.flatMap(({ service, method }) => method === undefined ? [] : [`/${service}/${method}`]),
  );
  return (request) => {
    const [type = "", ...more] = request.header("content-type");
    if (request.method !== "POST" || more.length > 0 || !/^application\/grpc/i.test(type)) return false;
    const service = /^\/([^/]+)\/[^/]+$/.exec(request.path)?.[1];
    return service !== undefined && services.has(service) || paths.has(request.path);
  };
}

function hostTest(hosts: readonly string[]): Test<string> {
  const exact = new Set(hosts.filter((host) => !host.startsWith("*.")));
  const below = hosts.filter((host) => host.startsWith("*.")).map((host) => host.slice(1));
  return (host) => exact.has(host) || below.some((end) => host.length > end.length && host.endsWith(end));
}
