import type { CheckResult } from "../../wire/doctor.ts";

/** What checks come to where a test says nothing else: one of each outcome. */
export const checkResults: readonly CheckResult[] = [
  {
    id: "kernel",
    title: "Kernel",
    outcome: "ok",
    findings: [{ level: "ok", saw: "Linux 6.1.0 has what pmz needs." }],
    ms: 40,
  },
  {
    id: "tun",
    title: "TUN device",
    outcome: "failed",
    findings: [{
      level: "failed",
      saw: "Linux 6.1.0 has no driver for TUN devices.",
      remedy: "Load it: sudo modprobe tun.",
    }],
    ms: 1,
  },
  {
    id: "name-service",
    title: "Name service",
    outcome: "warning",
    findings: [
      { level: "ok", saw: "nsswitch.conf looks up hosts by: files dns." },
      { level: "warning", saw: "nscd answers for names here.", remedy: "Stop it: sudo systemctl stop nscd." },
    ],
    ms: 2,
  },
  {
    id: "tunnel",
    title: "Tunnel",
    outcome: "skipped",
    findings: [{ level: "skipped", saw: "pmz is not up." }],
    ms: 0,
  },
];
