/** API keys of the account. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "./client";
import { useItems } from "./lists";
import { answer } from "./problem";
import type { components } from "./schema";

export type ApiKey = components["schemas"]["ApiKeyView"];
export type Scope = ApiKey["scopes"][number];

const KEYS = ["api-keys"];

export function useApiKeys() {
  return useItems(KEYS, (cursor) =>
    answer(api.GET("/v1/api-keys", { params: { query: { cursor: cursor ?? null } } })),
  );
}

/** Makes a key, which is in the answer this once. */
export function useMakeApiKey() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: components["schemas"]["NewApiKey"]) => answer(api.POST("/v1/api-keys", { body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: KEYS }),
  });
}

export function useRevokeApiKey() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (key_id: string) =>
      answer(api.DELETE("/v1/api-keys/{key_id}", { params: { path: { key_id } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: KEYS }),
  });
}
