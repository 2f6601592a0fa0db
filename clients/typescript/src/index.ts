/** A client of the Stemwright platform, for Node.js and browsers. */
export { Client, type ClientOptions } from "./client.ts";
export {
  ApiError,
  ConnectionFailed,
  DownloadDamaged,
  EventsMissed,
  JobFailed,
  type Problem,
  SignatureInvalid,
  StemwrightError,
  StoreError,
  UploadRejected,
} from "./errors.ts";
export type { StreamEvent } from "./jobs.ts";
export * from "./models.ts";
export * as webhooks from "./webhooks.ts";
