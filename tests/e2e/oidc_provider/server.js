// A real OpenID provider for the end-to-end tests: whoever names himself is signed in, and is in
// the groups of his name: 'a+b' in a and in b.
import { Provider } from 'oidc-provider';

const [port, redirectUri, secret] = process.argv.slice(2);
const provider = new Provider(`http://localhost:${port}`, {
  clients: [{
    client_id: 'proctor', client_secret: secret, redirect_uris: [redirectUri],
    response_types: ['code'], grant_types: ['authorization_code'],
  }],
  claims: { openid: ['sub'], profile: ['name', 'groups'], email: ['email', 'email_verified'] },
  cookies: { keys: [secret] },
  pkce: { required: () => true },
  async findAccount(_, id) {
    const claims = { sub: id, name: `${id} of Lab`, email: `${id}@example.org`, email_verified: true, groups: id.split('+') };
    return { accountId: id, claims: async () => claims };
  },
});
provider.listen(Number(port), 'localhost');
