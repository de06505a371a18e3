// An OpenID provider that is not ours (npm: oidc-provider) on loopback: `node provider.mjs ALGORITHM`
// prints its address. Whoever logs in is in the group that bears the first letter of their name.
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const algorithm = process.argv[2];
const kinds = {
  RS256: ["rsa", { modulusLength: 2048 }],
  ES256: ["ec", { namedCurve: "P-256" }],
  EdDSA: ["ed25519", {}],
};
const { privateKey } = generateKeyPairSync(...kinds[algorithm]);
const key = { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), alg: algorithm, use: "sig" };
const server = createServer();

server.listen(0, "127.0.0.1", () => {
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "headscale",
        client_secret: "made up",
        application_type: "native",
        redirect_uris: ["http://127.0.0.1/oidc/callback"],
        id_token_signed_response_alg: algorithm,
        grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
      },
    ],
    claims: {
      openid: ["sub"],
      email: ["email", "email_verified"],
      profile: ["name", "preferred_username"],
      groups: ["groups"],
    },
    cookies: { keys: [randomUUID()] },
    enabledJWA: { idTokenSigningAlgValues: [algorithm] },
    jwks: { keys: [key] },
    features: { deviceFlow: { enabled: true } },
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => ({
        sub,
        email: `${sub}@acmecorp.net`,
        email_verified: true,
        preferred_username: sub,
        groups: [sub[0]],
      }),
    }),
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
