/**
 * All settings: what they are called in the file, as a variable and on the command line, and how they are read. The one place where a
 * default of a command comes from.
 */
import { formatMessage } from "@optique/core/message";
import type { ValueParser } from "@optique/core/valueparser";
import {
  account,
  cidr,
  contextName,
  domain,
  formatService,
  imageName,
  namespace,
  pattern,
  service,
  type ServiceName,
} from "../values.ts";

/** A value that can't be a setting's: the message says what was expected. */
export class NotASetting extends Error {
  override name = "NotASetting";
}

/** A domain of the user's, and the Service that it leads to. */
export interface NameSetting {
  readonly domain: string;
  readonly service: ServiceName;
}

/** A text, a list of texts, or a mapping of texts. */
export type SettingShape = "text" | "list" | "mapping";

export interface Setting<T> {
  /** In the file: "agent.baseImage" is the key baseImage of the mapping agent. */
  readonly key: string;
  /** The variable that comes before the file; values of a list are separated by commas. */
  readonly variable: string;
  /** What says it on the command line, and comes first. */
  readonly option: string;
  readonly shape: SettingShape;
  /** What holds where nothing says it. */
  readonly otherwise: T;
  /** For `pmz config view`, where nothing says it. */
  readonly otherwiseSays: string;
  /** @throws {NotASetting} */
  parse(texts: readonly string[]): T;
  /** As it stands in the file, an item each. */
  format(value: T): readonly string[];
}

function parsed<T>(parser: ValueParser<"sync", T>, text: string): T {
  const result = parser.parse(text);
  if (result.success) return result.value;
  throw new NotASetting(formatMessage(result.error, { quotes: true }));
}

type Place = Pick<Setting<unknown>, "key" | "variable" | "option" | "otherwiseSays">;

function single<T>(parser: ValueParser<"sync", T>, place: Place): Setting<T | undefined> {
  return {
    ...place,
    shape: "text",
    otherwise: undefined,
    parse: ([text = ""]) => parsed(parser, text),
    format: (value) => value === undefined ? [] : [parser.format(value)],
  };
}

function several<T>(parser: ValueParser<"sync", T>, place: Place): Setting<readonly T[]> {
  return {
    ...place,
    shape: "list",
    otherwise: [],
    parse: (texts) => texts.map((text) => parsed(parser, text)),
    format: (values) => values.map((value) => parser.format(value)),
  };
}

const names: Setting<readonly NameSetting[]> = {
  key: "names",
  variable: "PMZ_NAMES",
  option: "pmz dns add",
  shape: "mapping",
  otherwise: [],
  otherwiseSays: "none",
  parse: (texts) =>
    texts.map((text) => {
      const at = text.indexOf("=");
      if (at < 0) throw new NotASetting(`"${text}" is not a valid name: expected DOMAIN=SERVICE[.NS].`);
      return { domain: parsed(domain(), text.slice(0, at)), service: parsed(service(), text.slice(at + 1)) };
    }),
  format: (values) => values.map(({ domain, service }) => `${domain}=${formatService(service)}`),
};

export const settings = {
  context: single(contextName(), {
    key: "context",
    variable: "PMZ_CONTEXT",
    option: "--context",
    otherwiseSays: "the kubeconfig's current context",
  }),
  namespace: single(namespace(), {
    key: "namespace",
    variable: "PMZ_NAMESPACE",
    option: "--namespace",
    otherwiseSays: "the context's own",
  }),
  names,
  accepted: several(cidr(), {
    key: "acceptRanges",
    variable: "PMZ_ACCEPT_RANGES",
    option: "--accept-range",
    otherwiseSays: "none",
  }),
  never: several(cidr(), {
    key: "neverRanges",
    variable: "PMZ_NEVER_RANGES",
    option: "--never-range",
    otherwiseSays: "none",
  }),
  also: several(account(), {
    key: "also",
    variable: "PMZ_ALSO",
    option: "--also",
    otherwiseSays: "none",
  }),
  protect: several(pattern(), {
    key: "protect",
    variable: "PMZ_PROTECT",
    option: "--confirm",
    otherwiseSays: "none",
  }),
  baseImage: single(imageName(), {
    key: "agent.baseImage",
    variable: "PMZ_BASE_IMAGE",
    option: "--base-image",
    otherwiseSays: "the stock image",
  }),
  agentImage: single(imageName(), {
    key: "agent.image",
    variable: "PMZ_AGENT_IMAGE",
    option: "--agent-image",
    otherwiseSays: "none",
  }),
  allowRanges: several(cidr(), {
    key: "agent.allowRanges",
    variable: "PMZ_ALLOW_RANGES",
    option: "--allow-range",
    otherwiseSays: "none",
  }),
} as const;

export type SettingName = keyof typeof settings;
/** The value of each setting. */
export type SettingValues = {
  readonly [Name in SettingName]: (typeof settings)[Name] extends Setting<infer T> ? T : never;
};
