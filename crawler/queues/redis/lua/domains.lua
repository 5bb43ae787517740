-- Which hosts are of one owner.
--
-- Arguments:
--   hosts      so many, then of each:
--     name        of the host
--     domain      that it is registered under
-- Returns 1.
--- include hosts, finish

for _ = 1, num() do
  local name, domain = str(), str()
  domains.join(name, domain)
end
return finish(1)
