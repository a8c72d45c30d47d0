/**
 * SQL for a figure of an object as jsonb, by its name (src/runner/values.ts), where `s` is a row of `subject`. Null, or JSON's null, where
 * it is not known.
 *
 * @param name an SQL expression for the name
 */
export const valueOf = (name: string): string => `
  case when ${name} like 'data.%' then s.data #> (string_to_array(${name}, '.'))[2:]
       when ${name} = 'data' then nullif(s.data, '{}')
       when ${name} in ('public_timestamp', 'priority') then to_jsonb(s) -> (${name})
       when ${name} = 'position' then (select jsonb_build_array(x.ra_deg, x.dec_deg) from transient x where x.subject_id = s.id)
       else (select to_jsonb(x) -> (${name}) from transient x where x.subject_id = s.id)
  end`;
