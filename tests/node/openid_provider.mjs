// A certified OpenID provider with two people in it, for tests: signs in whoever the login hint or the form names.
// Prints one line of JSON with its issuer once it listens. Arguments: the client's redirect address.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [redirectUri] = process.argv.slice(2);
const people = {
  eve: { email: "eve@acme.test", email_verified: true, name: "Eve Example", groups: ["AI admins", "Research"] },
  sam: { email: "sam@acme.test", email_verified: true, name: "Sam", groups: ["Research"] },
  mallory: { email: "ada@acme.test", email_verified: false, name: "Mallory", groups: [] },
  olga: { email: "olga@other.test", email_verified: true, name: "Olga", groups: ["AI admins"] },
};

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: "langwatch",
      client_secret: "a client secret of the tests",
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    }],
    cookies: { keys: ["a cookie key of the tests"] },
    pkce: { required: () => true },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "groups"] },
    features: { devInteractions: { enabled: false } },
    findAccount: (_, sub) => people[sub] && { accountId: sub, claims: () => ({ sub, ...people[sub] }) },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  });
  // Whoever the query `as` of the first request named is signed in, and consents to everything.
  const asked = new Map();
  server.on("request", async (request, response) => {
    const url = new URL(request.url, issuer);
    const found = url.pathname.match(/^\/interaction\/([\w-]+)$/);
    if (!found) {
      if (url.pathname === "/people") {
        response.end(JSON.stringify(Object.assign(people, JSON.parse(url.searchParams.get("set") ?? "{}"))));
        return;
      }
      provider.callback()(request, response);
      return;
    }
    const details = await provider.interactionDetails(request, response);
    const accountId = details.params.login_hint ?? asked.get("as") ?? "eve";
    if (details.prompt.name === "login") {
      if (!people[accountId]) {
        await provider.interactionFinished(request, response, { error: "access_denied" });
        return;
      }
      await provider.interactionFinished(request, response, { login: { accountId } });
      return;
    }
    const grant = new provider.Grant({ accountId, clientId: details.params.client_id });
    grant.addOIDCScope("openid email profile");
    await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
  });
  process.stdout.write(JSON.stringify({ issuer }) + "\n");
});
