import { expect, test } from 'vitest';
import { redact, secretsOf } from '../../src/notices/redact.ts';

test('what the environment keeps secret is hidden wherever it stands', () => {
  const secrets = secretsOf({ DATABASE_URL: 'postgresql://me:hunter%2F22@db/x', SLACK_TOKEN: 'abcdef-123', PATH: '/usr/bin', SHORT_TOKEN: 'abc' });
  expect(secrets).toEqual(['hunter%2F22', 'hunter/22', 'abcdef-123'].toSorted((one, other) => other.length - one.length));
  expect(redact('tried hunter/22, then abcdef-123 in /usr/bin with abc', secrets)).toBe('tried [redacted], then [redacted] in /usr/bin with abc');
});

test.each([
  ['connect postgresql://me:geheim@host/db failed', 'connect postgresql://me:[redacted]@host/db failed'],
  ['password=geheim&user=me', 'password=[redacted]&user=me'],
  ['{"api_key":"geheim","ra":1}', '{"api_key":"[redacted]","ra":1}'],
  ['Authorization: Bearer abc.def.ghi', 'Authorization: Bearer [redacted]'],
  ['authorization: opaque', 'authorization: [redacted]'],
  ['key sk-abcdefghijklmnop was refused', 'key [redacted] was refused'],
  ['no host within 30 arcmin of 2010ag', 'no host within 30 arcmin of 2010ag'],
])('%s', (text, clean) => {
  expect(redact(text, [])).toBe(clean);
});
