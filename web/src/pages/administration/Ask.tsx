import { Button, type ButtonProps, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Refused } from "../../components/Said";
import { useWords } from "./words";

interface Props {
  /** What is done, on the button. */
  what: string;
  /** To whom, for those who do not see where the button stands. */
  whose?: string;
  lead: string;
  /** Whether it asks why, or only whether. */
  asksWhy?: boolean;
  act: (reason: string) => Promise<unknown>;
  onDone?: () => void;
  button?: ButtonProps;
}

/** A button that asks first, and then does it. Whatever administration shows is asked for anew afterwards. */
export function Ask({ what, whose, lead, asksWhy = true, act, onDone, button }: Props) {
  const words = useWords();
  const queries = useQueryClient();
  const [opened, { open, close }] = useDisclosure();
  const [reason, setReason] = useState("");
  const action = useMutation({
    mutationFn: () => act(reason.trim()),
    onSuccess: async () => {
      close();
      setReason("");
      await queries.invalidateQueries({ queryKey: ["administration"] });
      onDone?.();
    },
  });
  return (
    <>
      <Button
        size="compact-sm"
        variant="default"
        aria-label={whose === undefined ? undefined : words.of(what, whose)}
        onClick={open}
        {...button}
      >
        {what}
      </Button>
      {/* What keeps the page behind from scrolling writes a style that the policy of the pages does not allow. */}
      <Modal
        lockScroll={false}
        opened={opened}
        onClose={close}
        title={what}
        centered
        closeButtonProps={{ "aria-label": words.cancel }}
      >
        <form
          onSubmit={(event) => {
            event.preventDefault();
            action.mutate();
          }}
        >
          <Stack>
            <Text>{lead}</Text>
            {asksWhy ? (
              <TextInput
                label={words.reason}
                description={words.reasonHint}
                value={reason}
                onChange={(event) => setReason(event.currentTarget.value)}
                required
                maxLength={200}
                data-autofocus
              />
            ) : null}
            <Refused problem={action.error} />
            <Group justify="flex-end">
              <Button variant="subtle" color="gray" onClick={close}>
                {words.cancel}
              </Button>
              <Button type="submit" loading={action.isPending} disabled={asksWhy && reason.trim() === ""}>
                {what}
              </Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  );
}

/** A button that does something at once, for what needs no reason. */
export function Act({
  what,
  whose,
  act,
  button,
}: Pick<Props, "what" | "whose" | "button"> & { act: () => Promise<unknown> }) {
  const words = useWords();
  const queries = useQueryClient();
  const action = useMutation({
    mutationFn: act,
    onSuccess: () => queries.invalidateQueries({ queryKey: ["administration"] }),
  });
  return (
    <>
      <Button
        size="compact-sm"
        variant="default"
        aria-label={whose === undefined ? undefined : words.of(what, whose)}
        loading={action.isPending}
        onClick={() => action.mutate()}
        {...button}
      >
        {what}
      </Button>
      <Refused problem={action.error} />
    </>
  );
}
