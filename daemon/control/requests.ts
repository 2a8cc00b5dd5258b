import type {
  AgentRequest,
  ClusterChoice,
  CustomName,
  DownRequest,
  InterceptRequest,
  Mode,
  PlanRequest,
  UpRequest,
} from "../../wire/control.ts";
import type { AgentInstallOptions, Component } from "../../wire/installer.ts";
import { Failure } from "../failure.ts";

/**
 * Requests of the control API, parsed where they enter.
 * Each of these throws a Failure `usage` that names the field.
 */
export function clusterChoice(raw: unknown): ClusterChoice {
  const from = object(raw, "the request");
  return {
    ...optional("context", text(from, "context", 512)),
    ...optional("kubeconfig", text(from, "kubeconfig", 4096)),
    ...optional("namespace", label(from, "namespace")),
  };
}

export function planRequest(raw: unknown): PlanRequest {
  return { ...clusterChoice(raw), mode: mode(object(raw, "the request")) };
}

export function upRequest(raw: unknown): UpRequest {
  const from = object(raw, "the request");
  return {
    ...clusterChoice(raw),
    mode: mode(from),
    ...optional(
      "proxyPort",
      from.proxyPort === undefined ? undefined : portNumber(from.proxyPort, "proxyPort", 0),
    ),
    install: from.install === true,
    ...optional("installOptions", installOptions(from.installOptions)),
  };
}

export function downRequest(raw: unknown): DownRequest {
  return optional("context", text(object(raw, "the request"), "context", 512));
}

export function customName(raw: unknown): CustomName {
  const from = object(raw, "the request");
  const domain = required(from, "domain", 253).toLowerCase().replace(/\.$/, "");
  if (
    !/^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/.test(domain)
  ) {
    throw new Failure("usage", `"${domain}" is no domain name`, {
      hint: 'such as "shop.example" or "*.shop.example"',
    });
  }
  return {
    domain,
    service: need(label(from, "service"), "service"),
    namespace: need(label(from, "namespace"), "namespace"),
    ...optional("context", text(from, "context", 512)),
  };
}

export function interceptRequest(raw: unknown): InterceptRequest {
  const from = object(raw, "the request");
  const local = object(from.local, "local");
  return {
    ...clusterChoice(raw),
    service: need(label(from, "service"), "service"),
    ...optional("port", text(from, "port", 63)),
    local: { host: required(local, "host", 253), port: portNumber(local.port, "local.port", 1) },
    install: from.install === true,
    ...optional("installOptions", installOptions(from.installOptions)),
  };
}

export function agentRequest(raw: unknown): AgentRequest {
  const from = object(raw, "the request");
  const components = Array.isArray(from.components) ? new Set<unknown>(from.components) : new Set();
  if (components.size === 0 || !components.isSubsetOf(new Set(["gateway", "node"]))) {
    throw new Failure("usage", 'components is no list of "gateway" and "node"');
  }
  return {
    ...clusterChoice(raw),
    components: [...components] as Component[],
    ...optional("options", installOptions(from.options)),
  };
}

function installOptions(raw: unknown): AgentInstallOptions | undefined {
  if (raw === undefined) return undefined;
  const from = object(raw, "installOptions");
  const ranges = from.ranges;
  if (ranges !== undefined && (!Array.isArray(ranges) || ranges.some((one) => typeof one !== "string"))) {
    throw new Failure("usage", "ranges is no list of CIDRs");
  }
  return {
    ...optional("baseImage", text(from, "baseImage", 512)),
    ...optional("agentImage", text(from, "agentImage", 512)),
    ...(from.force === true ? { force: true } : {}),
    ...optional("ranges", ranges as string[] | undefined),
  };
}

function mode(from: Record<string, unknown>): Mode {
  if (from.mode === "capture" || from.mode === "proxy" || from.mode === "intercept") return from.mode;
  throw new Failure("usage", 'mode is none of "capture", "proxy", "intercept"');
}

function object(raw: unknown, what: string): Record<string, unknown> {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw new Failure("usage", `${what} is no object`);
  }
  return raw as Record<string, unknown>;
}

function text(from: Record<string, unknown>, field: string, longest: number): string | undefined {
  return from[field] === undefined ? undefined : required(from, field, longest);
}

function required(from: Record<string, unknown>, field: string, longest: number): string {
  const value = from[field];
  if (typeof value === "string" && value.length > 0 && value.length <= longest) return value;
  throw new Failure("usage", `${field} is no text of 1 to ${longest} characters`);
}

/** The name of a namespace or Service: RFC 1123 label. */
function label(from: Record<string, unknown>, field: string): string | undefined {
  const value = text(from, field, 63);
  if (value === undefined || /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(value)) return value;
  throw new Failure("usage", `"${value}" is no name of a ${field}`);
}

function portNumber(value: unknown, field: string, least: number): number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) < 65536) {
    return value as number;
  }
  throw new Failure("usage", `${field} is no port number`);
}

function need(value: string | undefined, field: string): string {
  if (value === undefined) throw new Failure("usage", `${field} is missing`);
  return value;
}

function optional<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return value === undefined ? {} : { [key]: value } as { [K in Key]: Value };
}
