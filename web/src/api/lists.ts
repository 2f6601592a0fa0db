import { useInfiniteQuery } from "@tanstack/react-query";

interface Part<T> {
  items: T[];
  next_cursor: string | null;
}

/**
 * A list of the API, from its start: what came so far, and `more` while there is more. `lookAgain` says after how many
 * milliseconds it is asked for anew, if at all.
 */
export function useItems<T>(
  key: readonly unknown[],
  part: (cursor: string | undefined) => Promise<Part<T>>,
  lookAgain: (items: readonly T[]) => number | false = () => false,
) {
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => part(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    refetchInterval: ({ state }) => lookAgain(state.data?.pages.flatMap((each) => each.items) ?? []),
  });
  return {
    items: query.data?.pages.flatMap((each) => each.items),
    error: query.error,
    more: query.hasNextPage ? () => void query.fetchNextPage() : null,
    loadsMore: query.isFetchingNextPage,
  };
}
