import { createTransport } from 'nodemailer';
import { PermanentError, ServiceError } from '../errors.ts';

/** A mail of plain text. */
export interface Mail {
  from: string;
  to: readonly string[];
  subject: string;
  text: string;
  /** The same for every repetition of one mail, so that whoever gets it twice can tell. */
  messageId: string;
}

/** How long a server may take to answer at all, and for each step after that, ms. */
const PATIENCE_MS = 10_000;

/**
 * Sends a mail.
 *
 * @param smtpUrl `smtp://user:password@host:port`, or `smtps://`
 * @throws {ServiceError} the server cannot be reached, or does not take it for now (4yz): worth another attempt
 * @throws {PermanentError} the server refuses it
 */
export async function sendMail(smtpUrl: string, { from, to, subject, text, messageId }: Mail): Promise<void> {
  const transport = createTransport({ url: smtpUrl, connectionTimeout: PATIENCE_MS, greetingTimeout: PATIENCE_MS, socketTimeout: PATIENCE_MS, disableFileAccess: true, disableUrlAccess: true });
  try {
    await transport.sendMail({ from, to: [...to], subject, text, messageId, headers: { 'auto-submitted': 'auto-generated' } });
  } catch (error) {
    const { responseCode, message } = error as Error & { responseCode?: number };
    const { host } = new URL(smtpUrl);
    // 5yz: the same would happen another time. Source: RFC 5321, 4.2.1.
    if (responseCode !== undefined && responseCode >= 500) throw new PermanentError(`The mail server ${host} refused a mail: ${message}`, { cause: error });
    throw new ServiceError(host, `The mail server ${host} does not take a mail: ${message}`, { cause: error });
  } finally {
    transport.close();
  }
}
