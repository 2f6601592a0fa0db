/** What an upload needs of the platform; a test stands in for it. */

import { api } from "../api/client";
import { answer, Problem } from "../api/problem";
import type { components } from "../api/schema";

export type Upload = components["schemas"]["UploadView"];

export interface Store {
  begin: (file: File) => Promise<Upload>;
  /** Has the platform fetch a song. */
  name: (address: string) => Promise<Upload>;
  /** The upload as it stands; while it is pending with fresh addresses for what is missing. */
  look: (id: string) => Promise<Upload>;
  complete: (id: string) => Promise<Upload>;
  remove: (id: string) => Promise<unknown>;
  /** Sends one part. Rejects with a `Problem`, or with the signal's reason. */
  put: (url: string, part: Blob, sent: (bytes: number) => void, signal: AbortSignal) => Promise<void>;
}

function at(id: string) {
  return { params: { path: { upload_id: id } } };
}

export const platform: Store = {
  begin: (file) =>
    answer(
      api.POST("/v1/uploads", {
        body: { filename: file.name, size_bytes: file.size, content_type: file.type || null },
      }),
    ),
  name: (address) => answer(api.POST("/v1/uploads", { body: { source_url: address } })),
  look: (id) => answer(api.GET("/v1/uploads/{upload_id}", at(id))),
  complete: (id) => answer(api.POST("/v1/uploads/{upload_id}/complete", { ...at(id), body: {} })),
  remove: (id) => answer(api.DELETE("/v1/uploads/{upload_id}", at(id))),
  // By the old way of asking: the new one does not tell how much has been sent.
  put: (url, part, sent, signal) =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("PUT", url);
      request.upload.onprogress = (event) => sent(event.loaded);
      request.onerror = () => reject(new Problem(0, "unreachable", ""));
      request.onabort = () => reject(signal.reason);
      request.onload = () => {
        if (request.status < 300) resolve();
        else reject(new Problem(request.status, "part_refused", request.statusText));
      };
      signal.addEventListener("abort", () => request.abort(), { once: true });
      request.send(part);
    }),
};
