import type { Service, ServicePort } from "../../kube/objects/objects.ts";
import type { WorthTrying } from "../../wire/control.ts";

/** Services that are named. */
const MOST = 3;

interface Candidate {
  readonly service: Service;
  readonly port: ServicePort;
}

/**
 * The Services that are worth trying after an `up`: those with a URL for curl, HTTP before HTTPS. Only where there is
 * none, others.
 * @param candidates those that something serves, the best first
 */
export function worthTrying(candidates: readonly Candidate[]): WorthTrying[] {
  const all = candidates.map(({ service, port }): WorthTrying => {
    const scheme = schemeOf(port);
    const name = `${service.name}.${service.namespace}.svc`;
    return { name, port: port.port, http: scheme !== undefined, ...(scheme && { scheme }) };
  });
  const [http, https, others] = (["http", "https", undefined] as const).map((scheme) =>
    all.filter((one) => one.scheme === scheme)
  );
  const urls = [...http ?? [], ...https ?? []];
  return (urls.length > 0 ? urls : others ?? []).slice(0, MOST);
}

/** By the port's appProtocol, else by its name, else by its number; gRPC has no URL to look at. */
function schemeOf({ appProtocol, name, port }: ServicePort): WorthTrying["scheme"] {
  const protocol = (appProtocol ?? name).toLowerCase();
  if (/grpc|h2c/.test(protocol)) return undefined;
  if (/^https/.test(protocol)) return "https";
  if (/^http/.test(protocol)) return port === 443 ? "https" : "http";
  if (appProtocol !== undefined) return undefined;
  return port === 80 || port === 8080 ? "http" : port === 443 || port === 8443 ? "https" : undefined;
}
