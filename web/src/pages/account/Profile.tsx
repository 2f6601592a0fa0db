import { Button, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { type User, useRename } from "../../api/session";
import { useFormats, useTexts } from "../../app/language";
import { Done, Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";

export function Profile({ user }: { user: User }) {
  const { account: texts, common } = useTexts();
  const formats = useFormats();
  const rename = useRename();
  const form = useForm({ initialValues: { name: user.display_name ?? "" } });
  return (
    <Sheet title={texts.profile} lead={texts.since(formats.day(user.created_at))}>
      <form onSubmit={form.onSubmit(({ name }) => rename.mutate(name.trim() === "" ? null : name.trim()))}>
        <Stack maw="26rem">
          <TextInput label={texts.email} value={user.email} readOnly variant="filled" dir="ltr" />
          <TextInput label={texts.name} maxLength={100} autoComplete="name" {...form.getInputProps("name")} />
          <Refused problem={rename.error} />
          {rename.isSuccess ? <Done>{common.saved}</Done> : null}
          <div>
            <Button type="submit" loading={rename.isPending}>
              {common.save}
            </Button>
          </div>
        </Stack>
      </form>
    </Sheet>
  );
}
