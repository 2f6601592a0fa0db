import { Button, Group, Modal, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useLocation } from "wouter";
import { type Job, useRemove } from "../../api/separation";
import { useTexts } from "../../app/language";
import { Refused } from "../../components/Said";

export function Remove({ job }: { job: Job }) {
  const { results: words } = useTexts();
  const [asking, ask] = useDisclosure();
  const remove = useRemove(job);
  const [, go] = useLocation();
  return (
    <Group justify="flex-end">
      <Button variant="subtle" color="red" onClick={ask.open}>
        {words.remove}
      </Button>
      <Modal opened={asking} onClose={ask.close} title={words.removeAsk} centered lockScroll={false}>
        <Text mb="lg">{words.removeLead}</Text>
        <Refused problem={remove.error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={ask.close} data-autofocus>
            {words.removeNo}
          </Button>
          <Button
            color="red"
            loading={remove.isPending}
            onClick={() => remove.mutate(undefined, { onSuccess: () => go("/separations") })}
          >
            {words.removeYes}
          </Button>
        </Group>
      </Modal>
    </Group>
  );
}
