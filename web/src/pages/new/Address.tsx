import { Button, Group, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { sentence } from "../../api/problem";
import { useLanguage } from "../../app/language";
import type { UploadQueue } from "../../uploads/queue";

/** A song by address: the platform fetches it. */
export function Address({ queue }: { queue: UploadQueue }) {
  const { texts } = useLanguage();
  const words = texts.newSeparation;
  const [address, setAddress] = useState("");
  const fetching = useMutation({
    mutationFn: () => queue.addAddress(address.trim()),
    onSuccess: () => setAddress(""),
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        fetching.mutate();
      }}
    >
      <Group align="end" gap="sm">
        <TextInput
          label={words.address}
          description={words.addressHint}
          placeholder={words.addressPlaceholder}
          required
          withAsterisk={false}
          type="url"
          dir="ltr"
          maxLength={2000}
          flex="1 1 16rem"
          value={address}
          error={fetching.error ? sentence(fetching.error, texts) : null}
          onChange={(event) => {
            setAddress(event.currentTarget.value);
            fetching.reset();
          }}
        />
        <Button type="submit" variant="default" loading={fetching.isPending}>
          {words.fetch}
        </Button>
      </Group>
    </form>
  );
}
