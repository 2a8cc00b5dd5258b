/** The Service that a name seems to mean, whether there is such a Service or not. */
export interface MeantService {
  readonly service: string;
  /** Absent for a single label. */
  readonly namespace?: string;
  /** What follows `svc`, unless that is the clusters' domain: the context of a cluster. */
  readonly suffix?: string;
  /** Whether nothing comes before the Service's name, as that of an endpoint would. */
  readonly isWhole: boolean;
  /** Whether the name has `svc` in it, so that it can only be meant for a cluster. */
  readonly isExplicit: boolean;
}

/** Reads "echo", "echo.default", "echo.default.svc", "0.echo.default.svc.cluster.local"; undefined for other names. */
export function meantService(host: string): MeantService | undefined {
  const labels = host.split(".");
  const svc = labels.indexOf("svc", 2);
  if (svc < 0) {
    const [service, namespace] = labels;
    if (!service || labels.length > 2) return undefined;
    return { service, ...namespace && { namespace }, isWhole: true, isExplicit: false };
  }
  const [service, namespace] = labels.slice(svc - 2, svc);
  if (!service || !namespace) return undefined;
  const suffix = labels.slice(svc + 1).join(".");
  return {
    service,
    namespace,
    ...suffix !== "" && suffix !== "cluster.local" && { suffix },
    isWhole: svc === 2,
    isExplicit: true,
  };
}
