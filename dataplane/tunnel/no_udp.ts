/** The gateway is of a release that carries no UDP. */
export class NoUdp extends Error {
  override name = "NoUdp";

  constructor() {
    super(
      "the gateway in the cluster is older than this pmz, and carries no UDP; to update it: pmz agent deploy",
    );
  }
}
