/** The options of a personal intercept, and the match that they make. */
import { message } from "@optique/core/message";
import { multiple, optional, withDefault } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import type { CallerMatch, GrpcMatch, Match, NamedMatch, TextMatch } from "../wire/match.ts";
import { caller, grpc, method, named, path, time } from "./match_values.ts";
import { domain } from "./values.ts";

export const matchOptions = {
  domain: optional(
    option("--domain", domain(), { description: message`Take this domain, and resolve it here meanwhile.` }),
  ),
  hosts: multiple(
    option("--host", domain(), { description: message`Take requests for this host; repeatable.` }),
  ),
  headers: multiple(
    option("--header", named("headers", "x-user=alice"), {
      description: message`Take requests with this header; repeatable.`,
    }),
  ),
  paths: multiple(
    option("--path", path(), { description: message`Take requests at or below this path; repeatable.` }),
  ),
  cookies: multiple(
    option("--cookie", named("cookies", "user=alice"), {
      description: message`Take requests with this cookie; repeatable.`,
    }),
  ),
  methods: multiple(
    option("--method", method(), { description: message`Take requests of this method; repeatable.` }),
  ),
  grpc: multiple(
    option("--grpc", grpc(), { description: message`Take calls of this gRPC service; repeatable.` }),
  ),
  callers: multiple(
    option("--from", caller(), { description: message`Take requests of these pods only; repeatable.` }),
  ),
  personal: withDefault(
    flag("--personal", { description: message`Take requests with a generated baggage member.` }),
    false,
  ),
  mine: withDefault(
    flag("--mine", { description: message`Take this machine's own connections only.` }),
    false,
  ),
  mirror: withDefault(
    flag("--mirror", { description: message`Get a copy; the pods still answer.` }),
    false,
  ),
  ttl: optional(option("--ttl", time(), { description: message`End the intercept after this time.` })),
};

/** What was asked for by them. */
export interface MatchOptions {
  readonly domain: string | undefined;
  readonly hosts: readonly string[];
  readonly headers: readonly NamedMatch[];
  readonly paths: readonly TextMatch[];
  readonly cookies: readonly NamedMatch[];
  readonly methods: readonly string[];
  readonly grpc: readonly GrpcMatch[];
  readonly callers: readonly CallerMatch[];
  readonly personal: boolean;
  readonly mine: boolean;
  readonly mirror: boolean;
  readonly ttl: number | undefined;
}

/** The fields of the daemon's request; none where all connections are meant. */
export function matchRequest(options: MatchOptions) {
  const { hosts, headers, paths, cookies, methods, grpc, callers, domain, personal, mirror, ttl } = options;
  const lists = { hosts, paths, methods, headers, cookies, grpc, callers };
  const given: Match = Object.fromEntries(Object.entries(lists).filter(([, { length }]) => length > 0));
  return {
    ...(Object.keys(given).length > 0 ? { match: given } : {}),
    ...(domain === undefined ? {} : { domain }),
    ...(personal ? { personal } : {}),
    ...(mirror ? { mirror } : {}),
    ...(ttl === undefined ? {} : { ttl }),
  };
}
