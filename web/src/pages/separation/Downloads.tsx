import { Button, Group, Text } from "@mantine/core";
import type { Job, Stem } from "../../api/separation";
import { useLanguage } from "../../app/language";
import { Icon } from "../../components/Icon";
import { Sheet } from "../../components/Sheet";
import { lossless } from "./Proof";
import classes from "./separation.module.css";

const MEGABYTE = 1e6;

/** Every file, and all of them at once. */
export function Downloads({ job }: { job: Job }) {
  const { texts, formats } = useLanguage();
  const words = texts.results;
  const format = job.output.format?.toUpperCase() ?? "";
  const bits = ("bit_depth" in job.output && job.output.bit_depth) || 16;
  const kind = lossless(job) ? words.lossless(format, formats.number(bits)) : format;
  const stems = job.stems.filter((stem) => stem.name !== "mixture");
  const nameOf = (stem: Stem) => texts.mixer.stems[stem.name] ?? stem.name;
  return (
    <Sheet
      title={words.downloads}
      {...(job.expires_at ? { lead: words.expires(formats.day(job.expires_at)) } : {})}
    >
      <ul className={classes.files}>
        {stems.map((stem) => (
          <li key={stem.name}>
            <span>
              <strong>{nameOf(stem)}</strong>
              <Text component="span" c="dimmed" size="sm">
                {kind} · {formats.number(Math.round((10 * stem.size_bytes) / MEGABYTE) / 10)} MB
              </Text>
            </span>
            <Button
              component="a"
              href={`/v1/jobs/${job.id}/stems/${stem.name}`}
              download
              variant="default"
              leftSection={<Icon name="download" size={18} />}
              aria-label={words.download(nameOf(stem), stem.format.toUpperCase())}
            >
              {stem.format.toUpperCase()}
            </Button>
          </li>
        ))}
      </ul>
      <Group>
        <Button
          component="a"
          href={`/v1/jobs/${job.id}/archive`}
          download
          variant="default"
          leftSection={<Icon name="download" size={18} />}
        >
          {words.everything}
        </Button>
        {job.playable_seconds > 0 ? (
          <Button
            component="a"
            href={`/v1/jobs/${job.id}/stem-file`}
            download
            variant="default"
            leftSection={<Icon name="download" size={18} />}
            aria-describedby="stem-file-about"
          >
            {words.stemFile}
          </Button>
        ) : null}
      </Group>
      {job.playable_seconds > 0 ? (
        <Text id="stem-file-about" c="dimmed" size="sm">
          {words.stemFileAbout}
        </Text>
      ) : null}
    </Sheet>
  );
}
