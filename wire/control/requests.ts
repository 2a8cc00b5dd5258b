/** What the daemon is asked: a schema for each request, and its type. wire/control/calls.ts says to which call they belong. */
import {
  boolean,
  type Infer,
  integer,
  list,
  matching,
  object,
  oneOf,
  optional,
  someOf,
  text,
  value,
  withDefault,
} from "../schema.ts";
import { components, installOptions } from "../installer.ts";
import { isAccountName, MOST_ACCOUNTS } from "../helper.ts";
import { match } from "../match.ts";

/** RFC 1123 label: the name of a namespace. */
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const DOMAIN_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
const DOMAIN = new RegExp(`^(?=.{1,253}$)(?:\\*\\.)?${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*$`);

const CIDR = /^[0-9a-fA-F.:]{2,45}\/[0-9]{1,3}$/;

const account = value(
  "account",
  "its name, such as root",
  (raw) => typeof raw === "string" && isAccountName(raw) ? raw : undefined,
);
const labelExpected = "lower-case letters, digits and hyphens, such as echo";
const namespace = matching("namespace", labelExpected, LABEL);
const service = matching("name of a Service", labelExpected, LABEL);
const port = integer("port", 1, 65535);
const domain = value(
  "domain name",
  "one such as shop.example or *.shop.example",
  (raw) => typeof raw === "string" ? parseDomain(raw) : undefined,
);

/** Reads a domain name, with "*." before it for all below it, in lower case and without the last dot; undefined when it isn't one. */
export function parseDomain(text: string): string | undefined {
  if (text.length > 254) return undefined;
  const name = text.toLowerCase().replace(/\.$/, "");
  return DOMAIN.test(name) ? name : undefined;
}

/** `capture`: the machine's programs, with the root helper; `proxy`: SOCKS5 and HTTP proxy, no root; `intercept`: only intercepts. */
const modes = ["capture", "proxy", "intercept"] as const;
export type Mode = typeof modes[number];

/** An environment: a kernel takes 2 MiB of one by default. */
const LONGEST_ENVIRONMENT = 2 << 20;
const environment = object({
  variables: value(
    "environment",
    "texts by name",
    (raw) => {
      if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return undefined;
      const entries = Object.entries(raw);
      const size = entries.reduce((sum, [name, text]) => sum + name.length + String(text).length, 0);
      const isValid = size <= LONGEST_ENVIRONMENT && entries.every(([, text]) => typeof text === "string");
      return isValid ? raw as Readonly<Record<string, string>> : undefined;
    },
  ),
  folder: text(4096),
});
const secret = optional(text(1 << 20));
const credential = object({
  token: secret,
  cert: secret,
  key: secret,
  expires: optional(integer("time", 0, Number.MAX_SAFE_INTEGER)),
});

const cluster = {
  context: optional(text(512)),
  /** Paths as in KUBECONFIG (colon-separated, absolute); by default ~/.kube/config. */
  kubeconfig: optional(text(4096)),
  /** What the command was typed in: plugins, proxies and certificates are those of there. */
  environment: optional(environment),
  /** What the exec plugin of the context's user has answered, on the command's own terminal. */
  credential: optional(credential),
  /** The connection's own namespace: single-label names, default of commands; by default the context's. */
  namespace: optional(namespace),
};
/** Whether the user has agreed to installing what the plan named, and how to install it. */
const installation = { install: withDefault(boolean(), false), installOptions: optional(installOptions) };

/** Which cluster: a context of a kubeconfig, by default the current one. */
export const clusterChoice = object(cluster);
export type ClusterChoice = Infer<typeof clusterChoice>;

const ranges = list(matching("range of addresses", "one such as 10.96.0.0/12", CIDR), 64);
/** Ranges in CIDR notation that may be captured although they are public, or this machine has a route to them. */
const acceptance = {
  /** From now on, for this context. */
  ranges: optional(ranges),
  /** No longer. */
  forgetRanges: optional(ranges),
};

/** Asks for a plan: the command line shows it, and asks for consent. */
export const planRequest = object({
  ...cluster,
  mode: oneOf("mode", modes),
  ...acceptance,
  /** Ranges that the root helper is never to capture. */
  neverRanges: optional(ranges),
  /** Accounts that are to be inside besides the user. */
  also: optional(list(account, MOST_ACCOUNTS)),
  /** The Service that is to be intercepted: if it can't be, the plan fails. */
  service: optional(service),
  port: optional(text(63)),
  /** The port on the laptop: for the error, where the two were given the other way round. */
  localPort: optional(port),
  /** The least version of rules that the node agent has to know for it (ruleVersions of wire/intercept.ts). */
  rules: optional(integer("version", 1, 999_999)),
});
export type PlanRequest = Infer<typeof planRequest>;

export const upRequest = object({
  ...cluster,
  mode: oneOf("mode", modes),
  /** Port of the proxy on 127.0.0.1; 0 or absent: 1080 if free, else any. */
  proxyPort: optional(integer("port", 0, 65535)),
  ...acceptance,
  ...installation,
});
export type UpRequest = Infer<typeof upRequest>;

/** Without a context: every cluster, and the daemon ends. */
export const downRequest = object({ context: optional(text(512)) });
export type DownRequest = Infer<typeof downRequest>;

/** A custom domain; "*.shop.example" for all below. */
export const customName = object({ domain, service, namespace, context: optional(text(512)) });
export type CustomName = Infer<typeof customName>;

/** A domain of the internet whose names, and those below it, may lead to captured addresses. */
export const allowedDomain = object({ domain });
export type AllowedDomain = Infer<typeof allowedDomain>;

/** A range that may be captured for a context. */
export const acceptedRange = object({
  context: text(512),
  range: matching("range of addresses", "one such as 10.96.0.0/12", CIDR),
});
export type AcceptedRange = Infer<typeof acceptedRange>;

/** Asks what becomes of a connection to a host. */
export const explainRequest = object({
  /** A name or an address, without a dot at its end. */
  host: text(253),
  /** By default the Service's first port of that protocol. */
  port: optional(port),
  protocol: withDefault(oneOf("protocol", ["tcp", "udp"]), "tcp" as const),
  /** What this machine's programs get for the name; absent where that isn't known. */
  lookup: optional(object({
    addresses: list(text(64), 256),
    /** Whether no answer came in time. */
    isLate: optional(boolean()),
    ms: integer("time", 0, Number.MAX_SAFE_INTEGER),
  })),
  kubeconfig: cluster.kubeconfig,
  environment: cluster.environment,
});
export type ExplainRequest = Infer<typeof explainRequest>;

/** One of the custom domains, or of the allowed ones. */
export const namedDomain = object({ domain: text(254) });

/** Asks for the environment of a container of a Service's pods. */
export const environmentRequest = object({
  ...cluster,
  service,
  /** By default the one that has the port, then kubectl's default. */
  container: optional(text(63)),
  /** Name or number of the Service's port. */
  port: optional(text(63)),
});
export type EnvironmentRequest = Infer<typeof environmentRequest>;

/** A hold, as it was told to its holder. */
const hold = matching("hold", "one that was told", /^[0-9a-f-]{36}$/);
export const namedHold = object({ hold });

export const interceptRequest = object({
  ...cluster,
  service,
  /** Name or number of the Service's port, or "53/udp"; absent: its only port, its only TCP port, or TCP's that is named "http" or is 80. */
  port: optional(text(63)),
  /** Where connections go on the laptop. */
  local: object({ host: text(253), port }),
  /** Takes only what matches, so that others have rules on the same port; all connections without this, domain and personal. */
  match: optional(match),
  /** A domain that is a name for the Service on this laptop meanwhile, and one of the match's hosts. */
  domain: optional(domain),
  /** Takes only requests with a member of `baggage` that the daemon makes up. */
  personal: optional(boolean()),
  /** Takes this laptop's own connections alone, and asks nothing of the cluster: without a match. */
  mine: optional(boolean()),
  /** The pods answer, and the program on the laptop gets a copy. */
  mirror: optional(boolean()),
  /** Seconds until it ends by itself. */
  ttl: optional(integer("time", 1, 30 * 24 * 3600)),
  /** Lasts as long as this is held. The program is started when the intercept is in force: that it doesn't listen yet is no warning. */
  hold: optional(hold),
  ...installation,
});
export type InterceptRequest = Infer<typeof interceptRequest>;

/** An intercept: its entry's id; its port may be left out, and its cluster. */
export const namedIntercept = object({ id: text(1024) });

export const agentRequest = object({
  ...cluster,
  components: someOf("component", components),
  options: optional(installOptions),
});
export type AgentRequest = Infer<typeof agentRequest>;
