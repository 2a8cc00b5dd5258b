/** A JSON web token without a signature that expires in so many seconds. */
export function jwt(seconds: number, claims: object = {}): string {
  const part = (of: object) =>
    btoa(JSON.stringify(of)).replace(/=+$/, "").replaceAll("+", "-").replaceAll("/", "_");
  const exp = Math.floor(Date.now() / 1000) + seconds;
  return `${part({ alg: "none" })}.${part({ exp, jti: crypto.randomUUID(), ...claims })}.c2ln`;
}

export interface IssuerOptions {
  readonly secret?: string;
  /** Whether the client has to be named in the body. */
  readonly wantsBody?: boolean;
  /** What is issued; tokens that are good for an hour without it. */
  readonly issue?: () => string;
  /** Done while a refresh token is redeemed. */
  readonly redeeming?: () => Promise<void>;
}

/** An OpenID Connect issuer of a test, on loopback. Each refresh token is good for one use. */
export class Issuer implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #options: IssuerOptions;
  /** The refresh tokens that were redeemed. */
  readonly grants: string[] = [];
  /** The last id token that was issued. */
  idToken = "";

  constructor(options: IssuerOptions = {}) {
    this.#options = options;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => this.#answer(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** The one that will be taken next. */
  get refreshToken(): string {
    return `refresh-${this.grants.length}`;
  }

  async #answer(request: Request): Promise<Response> {
    if (new URL(request.url).pathname === "/.well-known/openid-configuration") {
      return Response.json({ token_endpoint: `${this.url}/token` });
    }
    const form = new URLSearchParams(await request.text());
    const { secret = "", wantsBody = false } = this.#options;
    const header =
      request.headers.get("authorization") === `Basic ${btoa(`kube:${encodeURIComponent(secret)}`)}`;
    const body = form.get("client_id") === "kube";
    if (wantsBody ? !body : !header) return Response.json({ error: "invalid_client" }, { status: 401 });
    const given = form.get("refresh_token") ?? "";
    if (given !== this.refreshToken) return Response.json({ error: "invalid_grant" }, { status: 400 });
    this.grants.push(given);
    await this.#options.redeeming?.();
    this.idToken = this.#options.issue?.() ?? jwt(3600);
    return Response.json({
      access_token: "unused",
      token_type: "Bearer",
      id_token: this.idToken,
      refresh_token: this.refreshToken,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
