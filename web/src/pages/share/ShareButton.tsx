import { Button, CopyButton, Group, Modal, NativeSelect, Stack, Text, TextInput, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useId, useState } from "react";
import { type Share, useEndShare, useMakeShare, useShares, useUnexpired } from "../../api/shares";
import { shortened } from "../../app/formats";
import { useLanguage, useTexts } from "../../app/language";
import { Icon } from "../../components/Icon";
import { Row, Rows } from "../../components/Rows";
import { Refused } from "../../components/Said";

interface Props {
  jobId: string;
  /** What the song is called; proposed as the title. */
  name: string | null | undefined;
}

const DAY_SECONDS = 86_400;
const AFTER = {
  day: DAY_SECONDS,
  week: 7 * DAY_SECONDS,
  month: 30 * DAY_SECONDS,
  year: 365 * DAY_SECONDS,
} as const;
type After = keyof typeof AFTER;
const MOST_CHARACTERS = 200;

/** On the page of a separation: links for others to listen by are made, copied and ended behind it. */
export function ShareButton({ jobId, name }: Props) {
  const { share: words } = useTexts();
  const [opened, dialog] = useDisclosure();
  return (
    <>
      <Button variant="default" leftSection={<Icon name="link" size={18} />} onClick={dialog.open}>
        {words.open}
      </Button>
      <Modal
        opened={opened}
        onClose={dialog.close}
        title={words.dialog}
        centered
        lockScroll={false}
        size="lg"
      >
        <Stack gap="lg">
          <Text c="dimmed">{words.dialogLead}</Text>
          <Links jobId={jobId} name={name} />
        </Stack>
      </Modal>
    </>
  );
}

function Links({ jobId, name }: Props) {
  const shares = useShares(jobId);
  const working = useUnexpired(shares.data);
  return (
    <>
      <Make jobId={jobId} name={name} working={working} />
      <Working jobId={jobId} working={working} problem={shares.error} />
    </>
  );
}

type Shares = readonly Share[] | undefined;

function Make({ jobId, name, working }: Props & { working: Shares }) {
  const { share: words } = useTexts();
  const [title, setTitle] = useState(shortened(name ?? "", MOST_CHARACTERS));
  const [after, setAfter] = useState<After>("month");
  const make = useMakeShare(jobId);
  // One that has expired or was ended is not offered to be copied.
  const works = make.data && working?.some(({ id }) => id === make.data.id);
  return (
    <Stack>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate({ title: title.trim() || null, expires_in_seconds: AFTER[after] });
        }}
      >
        <Stack>
          <TextInput
            label={words.name}
            maxLength={MOST_CHARACTERS}
            value={title}
            onChange={(event) => setTitle(event.currentTarget.value)}
            data-autofocus
          />
          <Group align="end">
            <NativeSelect
              label={words.ends}
              size="md"
              flex="1 1 10rem"
              value={after}
              onChange={(event) => setAfter(event.currentTarget.value as After)}
              data={(Object.keys(AFTER) as After[]).map((value) => ({ value, label: words.after[value] }))}
            />
            <Button type="submit" loading={make.isPending}>
              {words.make}
            </Button>
          </Group>
        </Stack>
      </form>
      <Refused problem={make.error} />
      {works ? <Made token={make.data.token} /> : null}
    </Stack>
  );
}

function Made({ token }: { token: string }) {
  const { share: words } = useTexts();
  const link = `${location.origin}/s/${token}`;
  return (
    <Stack gap="xs" role="status">
      <Text size="sm">{words.made}</Text>
      <Group align="end" gap="xs">
        <TextInput
          aria-label={words.link}
          value={link}
          readOnly
          dir="ltr"
          flex="1 1 12rem"
          onFocus={(event) => event.currentTarget.select()}
        />
        <CopyButton value={link}>
          {({ copied, copy }) => (
            <Button variant={copied ? "default" : "filled"} onClick={copy}>
              {copied ? words.copied : words.copy}
            </Button>
          )}
        </CopyButton>
      </Group>
    </Stack>
  );
}

function Working({ jobId, working, problem }: { jobId: string; working: Shares; problem: unknown }) {
  const { share: words } = useTexts();
  const heading = useId();
  const end = useEndShare(jobId);
  if (!working?.length) return <Refused problem={problem} />;
  return (
    <section aria-labelledby={heading}>
      <Title order={3} id={heading} mb="xs">
        {words.working}
      </Title>
      <Refused problem={end.error} />
      <Rows>
        {working.map((share) => (
          <Link key={share.id} share={share} ending={end.isPending} end={() => end.mutate(share.id)} />
        ))}
      </Rows>
    </section>
  );
}

function Link({ share, ending, end }: { share: Share; ending: boolean; end: () => void }) {
  const {
    texts: { share: words },
    formats,
  } = useLanguage();
  const title = share.title ?? words.untitled;
  const day = formats.day(share.expires_at);
  return (
    <Row
      end={
        <Button
          variant="subtle"
          color="red"
          size="compact-sm"
          disabled={ending}
          aria-label={words.endOf(title, day)}
          onClick={end}
        >
          {words.end}
        </Button>
      }
    >
      <bdi>{title}</bdi>
      <Text size="sm" c="dimmed">
        {words.until(day)}
      </Text>
    </Row>
  );
}
