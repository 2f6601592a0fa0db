/** What the platform answers, generated from its OpenAPI document. A newer platform may send more than is here. */
import type { components } from "./schema.ts";

type Schemas = components["schemas"];

export type Upload = Schemas["UploadView"];
export type Quote = Schemas["Quote"];
export type Job = Schemas["JobAnswer"];
export type ListedJob = Schemas["ListedJob"];
export type Batch = Schemas["BatchAnswer"];
export type Stem = Schemas["StemResult"];
export type StemLink = Schemas["StemLink"];
export type Balance = Schemas["BalanceView"];
export type Event = Schemas["EventView"];
export type EventPage = Schemas["EventPage"];
export type WebhookEndpoint = Schemas["EndpointView"];
export type MadeWebhookEndpoint = Schemas["EndpointMade"];
export type Redelivered = Schemas["Redelivered"];
export type RotatedSecret = Schemas["RotatedSecret"];
export type EventTopic = Schemas["EventTopicView"];
export type MadeEventTopic = Schemas["EventTopicMade"];
export type Delivery = Schemas["DeliveryView"];

/** Everything of a job but its upload; what is left out is the platform's choice. */
export type Order = Partial<
  Omit<Extract<Schemas["NewJob"], { upload_id: string }>, "upload_id" | "output">
> & {
  output?: Partial<Schemas["Output"]>;
};

/** A song of a batch, by its upload or by its address, with wishes of its own. */
export type BatchSong = ({ upload_id: string } | { source_url: string }) &
  Pick<Order, "stems" | "output" | "metadata">;

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export function hasEnded(job: Pick<Job, "status">): boolean {
  return ["succeeded", "failed", "canceled", "rejected"].includes(job.status);
}

/** How far a song is; `fraction` is of the stage, and null where it cannot be told. */
export interface Progress {
  stage: "uploading" | "checking" | "waiting" | "separating" | "downloading";
  fraction: number | null;
}

export type OnProgress = (progress: Progress) => void;
